"""Runs strategies on generated and recorded tables, keeps a JSON line a run, prints and plots.

    python studies/benchmarks/search/run.py                 the bars: tables nobody tuned on
    python studies/benchmarks/search/run.py --tuning        table seeds 0..9, for work on the engine
    python studies/benchmarks/search/run.py --strategies gp --kinds combo1M --seeds 5

Lines that are there are not made again, so that an interrupted run is gone on with; delete
results/runs.jsonl for new ones. At the end `report.py` makes the table and the plot from them.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import math
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from scipy import special

sys.path.insert(0, str(Path(__file__).parent))

import report
from recorded import Recorded
from tables import BATCH, KINDS, LIMIT, N_ITEMS, Table, frozen

from accel_opt.core.events import BatchDone, ConfirmStarted, TrialFinished, TrialStarted
from accel_opt.core.provenance import processor
from accel_opt.search import SearchPlan, Space, search
from accel_opt.search.confirm_margin import ALPHA
from accel_opt.search.strategies.simple import loop_depth, loop_levels

HERE = Path(__file__).parent
RESULTS, RECORDED = HERE / "results", HERE / "recorded"
# The commit that holds tables.py as it is: the seeds of the bars follow from it.
FROZEN = "75c3d005626eb874c656a5368648bf30fb758e75"
BUDGET = {"deepcache16": 16, "tome36": 36, "tgate1800": 60, "combo1M": 120, "combo1M-off": 120}
CONFIRM_ITEMS = 240  # as searches of pipelines have
SSIM_SD = 0.05  # of an item, in Table.evaluate
SMALL = 64  # settings that `enumerate` is for
ENUMERATED = ("deepcache16", "tome36")
SLOW = {"optuna-gp": 60}
# Where runs are long, strategies that no bar is on get fewer.
BARRED, FEWER = ("gp", "gp-confirm", "gp-sure", "traversal", "traversal-skip"), 8
# Of twenty tables, how many of each variant; the infeasible ones come on top.
MIX = ("plain",) * 6 + ("second",) * 2 + ("border",) * 2


def bar_seed(i: int) -> int:
    return int(hashlib.sha256(f"{FROZEN}:{i}".encode()).hexdigest()[:8], 16)


def confirmable(table: Table) -> Table:
    """The table with what held-out items would bear out, more likely than not, as feasible.

    That is what a search with confirmation to come looks for: a loss just below its limit would
    be confirmed by luck alone.
    """
    reach = -special.ndtri(ALPHA) / math.sqrt(CONFIRM_ITEMS)
    size = 0.5 + 0.5 * np.clip(table.loss / LIMIT, 0, 3)  # as Table.evaluate scatters items
    table.feasible &= table.loss + reach * table.item_sd * size <= LIMIT
    for limit in table.limits[1:]:
        table.feasible &= table.ssim + reach * SSIM_SD <= limit.limit
    table.n_feasible = int(table.feasible.sum())
    table.optimum = float(table.faster[table.feasible].max()) if table.n_feasible else math.nan
    return table


def one(kind: str, variant: str, seed: int, strategy: str) -> dict:
    table = Table(kind, variant, seed)
    return run_on(confirmable(table) if strategy == "gp-sure" else table, seed, strategy)


def run_on(table, seed: int, strategy: str) -> dict:
    """One search on a generated or recorded table."""
    kind, variant = table.kind, table.variant
    row = {"kind": kind, "variant": variant, "seed": seed, "strategy": strategy}
    row |= {
        "n_feasible": table.n_feasible,
        "optimum": round(math.exp(table.optimum), 4) if table.n_feasible else None,
    }
    if strategy.startswith("traversal") and variant != "recorded":
        return row | walk(table, skip=strategy.endswith("skip"))
    space = table.space
    name = strategy.partition("-")[0] if strategy.startswith("gp-") else strategy
    if strategy.endswith(("-blind", "-bare")):  # without counted work; and without presets
        presets = space.presets if strategy.endswith("-blind") else ()
        space = Space(space.parameters, space.canonical, presets, None, space.require_all)
    whole = strategy.startswith("traversal")
    budget = table.space.size if whole else BUDGET.get(kind, table.space.size)
    budget = min(budget, SLOW.get(strategy, budget))
    plan = SearchPlan(
        limits=table.limits,
        n_items=getattr(table, "n_items", N_ITEMS),
        batch_size=getattr(table, "batch_size", BATCH),
        trials=budget,
        strategy=name,
        seed=seed % 2**31,
        # As users search: some turns look for what confirmation could bear out. It is not begun.
        confirm=strategy in ("gp-confirm", "gp-sure"),
        confirm_items=CONFIRM_ITEMS,
    )
    start = time.perf_counter()
    watch = Watch(table)
    with contextlib.suppress(Over):
        watch.ended = search(space, table.evaluate, plan, on_event=watch).ended
    row |= watch.row()
    row["seconds"] = round(time.perf_counter() - start, 2)
    return row


class Over(Exception):  # noqa: N818 - it is no error
    """The run is at 99 % of the best, or the search is: no number that is kept changes any more."""


class Watch:
    """Follows a search, and notes when it had a setting within 5 % and 1 % of the best one.

    An evaluation is any setting with a generated batch, stopped ones and presets included.
    """

    def __init__(self, table: Table) -> None:
        self.table, self.best, self.items, self.ended = table, -math.inf, 0, "arrived"
        self.found = {"to95": None, "items95": None, "to99": None, "items99": None}
        self.counts = dict.fromkeys(("evaluations", "stopped", "improvements", "wrong_stops"), 0)
        self.sampler, self.mark = [], time.thread_time()

    def __call__(self, event) -> None:
        if isinstance(event, TrialStarted):
            self.sampler.append(time.thread_time() - self.mark)
        elif isinstance(event, BatchDone):
            self.done = event.items_done
        elif isinstance(event, ConfirmStarted):
            self.ended = "searched"
            raise Over
        elif isinstance(event, TrialFinished):
            self.take(event)
            self.mark = time.thread_time()

    def take(self, event) -> None:
        full = event.outcome == "full"
        self.items += self.done
        true, feasible = self.table.truth(event.config)
        improves = feasible and true > max(self.best, 0.0)
        self.counts["evaluations"] += 1
        self.counts["stopped"] += not full
        self.counts["improvements"] += improves
        self.counts["wrong_stops"] += improves and not full
        if full and feasible:
            self.best = max(self.best, true)
        for mark in (95, 99):
            reached = self.best >= self.table.optimum + math.log(mark / 100)
            if self.found[f"to{mark}"] is None and reached:
                self.found[f"to{mark}"] = self.counts["evaluations"]
                self.found[f"items{mark}"] = self.items
        if self.found["to99"]:
            raise Over

    def row(self) -> dict:
        final = math.exp(self.best - self.table.optimum) if self.best > -math.inf else None
        return {
            **self.found,
            **self.counts,
            "items": self.items,
            "ended": self.ended,
            "final": round(final, 4) if final else None,
            "sampler_ms": round(1000 * statistics.median(self.sampler[:100]), 2),
        }


def walk(table: Table, *, skip: bool) -> dict:
    """The nested loops need no engine: the positions of their hits follow from the table.

    A setting equal to one that came before is not counted, neither here nor there.
    """
    row = {"to95": None, "items95": None, "to99": None, "items99": None, "ended": "traversal"}
    if not table.n_feasible:
        return row
    levels, faster, feasible = in_loop_order(table)
    for mark in (95, 99):
        goal = table.optimum + math.log(mark / 100)
        count = hit_skipping(levels, faster, feasible, goal) if skip else None
        if not skip:
            count = int(np.argmax(feasible & (faster >= goal))) + 1
        row[f"to{mark}"], row[f"items{mark}"] = count, count * N_ITEMS
    return row | {"evaluations": row["to99"]}


def in_loop_order(table: Table):
    """Levels, log speedup and feasibility of every distinct setting as the loops visit them."""
    axes = table.space.axes
    order = sorted(range(len(axes)), key=lambda i: loop_depth(axes[i], i))
    ranges = [loop_levels(axes[i]) for i in order]
    grid = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, len(order))
    levels = np.empty_like(grid, dtype=np.int16)
    levels[:, order] = grid
    rows = []
    for part, positions in zip(table.parts, table.space.members.values(), strict=True):
        sizes = [len(axes[i].values) for i in positions]
        lookup = np.array([part_row(table, part, positions, at) for at in np.ndindex(*sizes)])
        rows.append(lookup[np.ravel_multi_index(levels[:, positions].T, sizes)])
    cells = table.canon[tuple(rows)]
    _, first = np.unique(cells, return_index=True)
    keep = np.sort(first)
    if table.off:
        keep = keep[cells[keep] != 0]
    at = tuple(column[keep] for column in rows)
    return levels[keep], table.faster[at], table.feasible[at]


def part_row(table: Table, part, positions, levels) -> int:
    point = [0] * len(table.space.axes)
    for i, level in zip(positions, levels, strict=True):
        point[i] = int(level)
    config = table.space.decode(tuple(point))
    return part.row[frozen(dict(config[part.name])) if part.name in config else None]


def hit_skipping(levels, faster, feasible, goal) -> int:
    """Evaluations until the goal when what is no harsher than the best so far is skipped."""
    alive, best, position, count = np.ones(len(levels), bool), -math.inf, 0, 0
    while True:
        better = alive[position:] & feasible[position:] & (faster[position:] > best)
        if not better.any():
            return count + int(alive[position:].sum())
        step = int(np.argmax(better))
        count += int(alive[position : position + step + 1].sum())
        position += step
        best = faster[position]
        if best >= goal:
            return count
        alive &= ~(levels <= levels[position]).all(axis=1)
        position += 1


def sampler_times(kind: str = "combo1M-off", trials: int = 100) -> dict:
    """Processor milliseconds of choosing, over a search that is kept from ending early."""
    table = Table(kind, "plain", bar_seed(0))
    plan = SearchPlan(
        table.limits, n_items=N_ITEMS, batch_size=BATCH, trials=trials, min_gain=1e-9, confirm=False
    )
    taken = [1000 * s for s in search(table.space, table.evaluate, plan).sampler_s]
    last = statistics.median(taken[-10:])
    found = {"kind": kind, "trials": len(taken), "median_ms": statistics.median(taken)}
    return {**found, "last_ten_ms": last, "machine": processor()}


def jobs(options):
    """What is to be run: a key that names the row, and how it is made."""
    for kind in () if options.recorded else options.kinds.split(","):
        for strategy in options.strategies.split(","):
            if strategy == "enumerate" and kind not in ENUMERATED:
                continue
            long = kind.startswith("combo1M") and strategy not in BARRED
            for i in range(min(options.seeds, FEWER) if long else options.seeds):
                seed, variant = i if options.tuning else bar_seed(i), MIX[i % len(MIX)]
                yield (kind, variant, seed, strategy), one
            for i in range(min(options.seeds, 10) if strategy in ("gp", "gp-confirm") else 0):
                seed = i if options.tuning else bar_seed(100 + i)
                yield (kind, "infeasible", seed, strategy), one
    generated = ("gp-sure",)
    for path in () if options.tuning else options.recorded or sorted(RECORDED.glob("*.json")):
        table = Recorded(path)
        for strategy in options.strategies.split(","):
            if strategy in generated or (strategy == "enumerate" and len(table.rows) > SMALL):
                continue
            for i in range(options.seeds):
                yield (table.kind, "recorded", bar_seed(i), strategy), on(table)


def on(table):
    return lambda _kind, _variant, seed, strategy: run_on(table, seed, strategy)


def key_of(line: str) -> tuple:
    row = json.loads(line)
    return row["kind"], row["variant"], row["seed"], row["strategy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--strategies", default=",".join(report.NAMES))
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--recorded", type=Path, nargs="*", help="only these files of recorded.py")
    options = parser.parse_args()
    out = options.out or RESULTS / ("tuning.jsonl" if options.tuning else "runs.jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    there = out.exists() and not options.tuning
    known = {key_of(line) for line in out.read_text().splitlines()} if there else set()
    with out.open("a" if there else "w") as file:
        for key, make in jobs(options):
            if key in known:
                continue
            row = make(*key) | {"machine": processor()}
            file.write(json.dumps(row) + "\n")
            file.flush()
            print(json.dumps(row), file=sys.stderr)
    if out == RESULTS / "runs.jsonl":
        if not (RESULTS / "sampler.json").exists():
            (RESULTS / "sampler.json").write_text(json.dumps(sampler_times(), indent=2) + "\n")
        report.main()


if __name__ == "__main__":
    main()
