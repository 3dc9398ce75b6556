"""How often a setting that is not feasible is confirmed, over whole simulated searches.

    python studies/benchmarks/search/simulate_confirm.py --runs 2000

Every run is a search (settings tried, poor ones stopped) and a confirmation on fresh items, in a
world whose truth is known: `edge` has every setting just over the limit, the worst case; `mixed`
has settings on both sides of it. The clock drifts by 8 %. Kept in results/confirm.json.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from accel_opt.core.config import Config
from accel_opt.core.dims import Int
from accel_opt.core.measurement import Batch, BatchMeasurement, Limit
from accel_opt.search import SearchPlan, Space, search

HERE = Path(__file__).parent
LIMIT = 0.02
WORLDS = ("edge", "mixed")
# World, strategy, held-out items.
CASES = (
    ("edge", "enumerate", 64),
    ("edge", "gp", 64),
    ("mixed", "enumerate", 30),
    ("mixed", "enumerate", 64),
    ("mixed", "enumerate", 100),
    ("mixed", "gp", 64),
)


class World:
    """Twelve settings, each with a true speedup and a true loss; every item is drawn anew."""

    def __init__(self, kind: str, seed: int) -> None:
        rng = np.random.default_rng([seed, WORLDS.index(kind)])
        self.seed = seed
        self.faster = np.sort(rng.uniform(0.1, 1.0, 12))
        if kind == "edge":
            self.loss = np.full(12, LIMIT * 1.0001)
        else:
            self.loss = np.sort(rng.uniform(0.0, 0.05, 12))
        self.sd = rng.uniform(0.02, 0.06)
        self.space = Space({"toy": {"level": Int(0, 11)}})

    def row(self, config: Config) -> int:
        return int(config["toy"]["level"])

    def evaluate(self, config: Config, batch: Batch) -> BatchMeasurement:
        row = self.row(config)
        phase = ("search", "confirm").index(batch.phase)
        n = len(batch.item_ids)
        first = batch.item_ids[0]
        prompts = np.random.default_rng([self.seed, phase, first])
        base = prompts.normal(30, 3, n)
        shared = prompts.normal(0, 0.5, n)
        rng = np.random.default_rng([self.seed, phase, batch.index, batch.seed % 2**31, row])
        noise = self.sd * (shared + math.sqrt(0.75) * rng.normal(size=n))
        drift = 0.08 * rng.uniform() + np.arange(4) * 0.002
        a1, b1, b2, a2 = drift + rng.normal(0, 0.01, 4)
        faster = self.faster[row]
        return BatchMeasurement(
            seconds=(math.exp(b1 - faster), math.exp(b2 - faster)),
            baseline_seconds=(math.exp(a1), math.exp(a2)),
            scores={"clip": tuple(base * (1 - self.loss[row]) - 30 * noise)},
            baseline_scores={"clip": tuple(base)},
        )


def simulate(
    kind: str, runs: int, strategy: str = "enumerate", items: int = 64, first: int = 0
) -> dict:
    """Counts over whole searches.

    Returns:
        Runs, confirmations, false ones; how often the printed intervals of first looks held the
        truth, and by how much their speedups were too high in the mean.
    """
    count = dict.fromkeys(("confirmed", "false", "looks", "loss_covered", "speed_covered"), 0)
    errors = []
    for seed in range(first, first + runs):
        world = World(kind, seed)
        plan = SearchPlan(
            (Limit("clip", LIMIT),),
            n_items=32,
            batch_size=8,
            confirm_items=items,
            strategy=strategy,
            seed=seed,
        )
        result = search(world.space, world.evaluate, plan)
        # The first look, whether or not it held: the winner's alone would be a selection.
        first_key = result.confirm_plan.candidates[0].key if result.confirm_plan else ""
        for verdict in (v for v in result.verdicts if v.best.key == first_key):
            row = world.row(verdict.best.config)
            loss, speed = verdict.best.score_loss, verdict.best.speedup
            count["looks"] += 1
            count["loss_covered"] += loss.low <= world.loss[row] <= loss.high
            count["speed_covered"] += speed.low <= math.exp(world.faster[row]) <= speed.high
            errors.append(math.log(speed.value) - world.faster[row])
        if result.confirmed:
            count["confirmed"] += 1
            count["false"] += world.loss[world.row(result.confirmed.config)] > LIMIT
    found = {name: int(value) for name, value in count.items()}
    bias = round(float(np.mean(errors)), 6) if errors else 0.0
    case = {"world": kind, "strategy": strategy, "items": items, "runs": runs}
    return {**case, **found, "speed_bias": bias}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=HERE / "results" / "confirm.json")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.processes) as pool:
        found = [pool.submit(simulate, kind, options.runs, *how) for kind, *how in CASES]
        rows = [future.result() for future in found]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    data = {"machine": f"{platform.machine()}, {platform.node()}", "limit": LIMIT, "rows": rows}
    options.out.write_text(json.dumps(data, indent=2) + "\n")
    print(options.out.read_text())


if __name__ == "__main__":
    main()
