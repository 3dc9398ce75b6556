"""Tables measured on a real pipeline: recording them, and replaying them to any strategy.

    python studies/benchmarks/search/recorded.py --all
    python studies/benchmarks/search/recorded.py --accelerators tgate --sample 200 --steps 30
    python studies/benchmarks/search/run.py --recorded studies/benchmarks/search/recorded/*.json

A file holds, for every setting, the seconds and scores of each batch as they were measured; a
replay hands them out again, so a search on it costs no GPU and sees real noise.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from pathlib import Path

import numpy as np

from accel_opt.core.config import Config
from accel_opt.core.dims import Float, Int
from accel_opt.core.measurement import Batch, BatchMeasurement, Limit
from accel_opt.core.run import Refusal
from accel_opt.measure.statistics import log_speedup, paired_loss
from accel_opt.search.space import Setting, Space

FORMAT = 1


class Recorded:
    """A recorded table with the interface of a generated one.

    Attributes:
        kind: Name of the table.
        variant: Always "recorded".
        space: Settings that were recorded; others are refused.
        limits: Limits of the search.
        optimum: Log speedup of the best feasible setting; nan when none is.
    """

    def __init__(self, path: Path) -> None:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise SystemExit(f"{path}: format {data['format']}, this reads {FORMAT}")
        self.kind, self.variant, self.seed, self.off = data["name"], "recorded", 0, False
        self.limits = tuple(Limit(**limit) for limit in data["limits"])
        self.n_items, self.batch_size = data["n_items"], data["batch_size"]
        self.rows = {Config(row["config"]).key: row for row in data["rows"]}
        dims = {
            accelerator: {name: _dim(found) for name, found in parameters.items()}
            for accelerator, parameters in data["parameters"].items()
        }
        presets = tuple(Config(settings) for settings in data["presets"])
        self.space = Space(dims, self.canonical, presets, self.work, require_all=True)
        self._truth()

    def canonical(self, config: Config) -> Config | Refusal:
        row = self.rows.get(config.key)
        if row is None:
            return Refusal("not recorded")
        return Config(row["canonical"])

    def work(self, config: Config) -> float:
        return float(self.rows[config.key]["work"]) if config.key in self.rows else 1.0

    def evaluate(self, config: Config, batch: Batch) -> BatchMeasurement:
        return _measurement(self.rows[config.key]["batches"][batch.index])

    def truth(self, config: Config) -> tuple[float, bool]:
        return self.speeds[config.key], self.good[config.key]

    def _truth(self) -> None:
        self.speeds, self.good = {}, {}
        for key, row in self.rows.items():
            batches = [_measurement(batch) for batch in row["batches"]]
            self.speeds[key] = log_speedup(batches).value
            self.good[key] = self.speeds[key] > 0
            for limit in self.limits:
                scores = [s for b in batches for s in b.scores[limit.metric]]
                base = [s for b in batches for s in b.baseline_scores[limit.metric]]
                if limit.perfect is not None:
                    base = [limit.perfect] * len(scores)
                self.good[key] &= paired_loss(base, scores, limit).value <= limit.limit
        feasible = [self.speeds[key] for key, good in self.good.items() if good]
        self.n_feasible = len(feasible)
        self.optimum = max(feasible, default=math.nan)


def _dim(found):
    kind = Float if found.pop("kind") == "Float" else Int
    return kind(**found)


def _measurement(batch) -> BatchMeasurement:
    return BatchMeasurement(
        seconds=tuple(batch["seconds"]),
        baseline_seconds=tuple(batch["baseline_seconds"]),
        scores={name: tuple(values) for name, values in batch["scores"].items()},
        baseline_scores={name: tuple(values) for name, values in batch["baseline_scores"].items()},
        unchanged=batch.get("unchanged", False),
    )


def record(name: str, space: Space, evaluate, plan, *, sample: int | None, seed: int) -> dict:
    """Measures every setting of a space, or a sample of them, in full."""
    from accel_opt.search.evaluation import search_batches

    settings = []
    for point in itertools.islice(space.points(), 100_000):
        setting = space.resolve(point)
        if isinstance(setting, Setting):
            settings.append((space.decode(point), setting))
    if sample and sample < len(settings):
        chosen = np.random.default_rng(seed).choice(len(settings), sample, replace=False)
        settings = [settings[i] for i in sorted(chosen)]
    measured: dict[str, list] = {}
    rows = []
    for config, setting in settings:
        if setting.key not in measured:
            found = [evaluate(setting.config, batch) for batch in search_batches(plan)]
            measured[setting.key] = [_plain(batch) for batch in found]
        rows += [
            {
                "config": spelled.to_dict(),
                "canonical": setting.config.to_dict(),
                "work": space.work_of(setting.config),
                "batches": measured[setting.key],
            }
            for spelled in dict.fromkeys((config, setting.config))
        ]
        print(len(rows), setting.config, flush=True)
    parameters = {
        accelerator: {
            parameter: {
                "kind": type(dim).__name__,
                "low": dim.low,
                "high": dim.high,
                "step": dim.step,
                "faster": dim.faster,
            }
            for parameter, dim in dims.items()
        }
        for accelerator, dims in space.parameters.items()
    }
    return {
        "format": FORMAT,
        "name": name,
        "limits": [vars(limit) for limit in plan.limits],
        "n_items": plan.n_items,
        "batch_size": plan.batch_size,
        "conditions": dict(plan.conditions),
        "parameters": parameters,
        "presets": [config.to_dict() for config in space.presets],
        "rows": rows,
    }


def _plain(batch: BatchMeasurement) -> dict:
    names = ("seconds", "baseline_seconds", "scores", "baseline_scores", "unchanged")
    return _rounded({name: getattr(batch, name) for name in names})


def _rounded(value):
    if isinstance(value, dict):
        return {name: _rounded(found) for name, found in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(found) for found in value]
    return round(value, 6) if isinstance(value, float) else value


# The first is the main job's config; the others are held out: nothing was tuned on them.
CONFIGS = (("DDIM", 20), ("DPM++", 20), ("UniPC", 20), ("DDIM", 10), ("DDIM", 30))
SAMPLES = {"deepcache": None, "tome": None, "tgate": 200}
HELDOUT_SAMPLE, FEWER_PROMPTS = 20, 16


def record_config(
    model: str, scheduler: str, steps: int, accelerators: str, prompts: int | None = None, **how
) -> dict:
    """The table of one pipeline config; None takes the model's usual number of prompts."""
    from accel_opt.core.spec import make_spec
    from accel_opt.search.pipeline_problem import PipelineProblem

    spec = make_spec(
        model=model,
        scheduler=scheduler,
        steps=steps,
        accelerators=tuple(accelerators.split(",")),
        require_all=True,
        prompts=prompts,
    )
    problem = PipelineProblem.from_spec(spec)
    plan = problem.plan()
    problem.evaluator.warm_up(plan.batch_size)
    name = f"{model}-{scheduler}-{steps}-{accelerators}"
    return record(name, problem.space, problem.evaluator, plan, **how)


def record_all(folder: Path, only: str | None) -> None:
    """Every table of the embedded model that the folder has not yet, or those of an accelerator."""
    for place, (scheduler, steps) in enumerate(CONFIGS):
        for accelerator, sample in SAMPLES.items():
            path = folder / f"shapes-{scheduler}-{steps}-{accelerator}.json"
            if path.exists() or only not in (None, accelerator):
                continue
            few = place > 0 or sample is not None
            how = {
                "sample": sample and (HELDOUT_SAMPLE if place else sample),
                "prompts": FEWER_PROMPTS if few else None,
            }
            _write(path, record_config("shapes", scheduler, steps, accelerator, seed=0, **how))


def _write(path: Path, data: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, separators=(",", ":")) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="every table of the embedded model")
    parser.add_argument("--model", default="shapes")
    parser.add_argument("--scheduler", default="DDIM")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--accelerators", help="deepcache, unless --all takes every one")
    parser.add_argument("--sample", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "recorded")
    options = parser.parse_args()
    if options.all:
        record_all(options.out, options.accelerators)
        return
    accelerators = options.accelerators or "deepcache"
    config = (options.model, options.scheduler, options.steps, accelerators)
    data = record_config(*config, sample=options.sample, seed=options.seed)
    _write(options.out / f"{data['name']}.json", data)


if __name__ == "__main__":
    main()
