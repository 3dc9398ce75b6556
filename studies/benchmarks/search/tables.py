"""Generated worlds for the search benchmark: every setting's true speed and loss is known.

A table is drawn from a kind (which space), a variant (what is special about it) and a seed.
The shapes follow what FACTS.md measured of DeepCache, ToMe and T-GATE; counted work is known to
the engine, as it is in life, while the truth differs from it: efficiency exponents, overheads,
pairwise interactions and a fine roughness that no smooth model can know.

An evaluation of all `N_ITEMS` items gives the table's loss exactly: the items are the population
that a search sees. Each item scatters around it, and each timed block has one percent of noise.

This file was committed before the engine was tuned; see README.md for what followed.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from accel_opt.core.config import Config
from accel_opt.core.dims import Float, Int
from accel_opt.core.measurement import Batch, BatchMeasurement, Limit
from accel_opt.core.run import Refusal
from accel_opt.search.space import Space

N_ITEMS, BATCH = 100, 10
STEPS = 20
LIMIT, SSIM_LIMIT = 0.02, 0.3
BLOCK_NOISE = 0.01

KINDS = ("deepcache16", "tome36", "tgate1800", "combo1M", "combo1M-off")
VARIANTS = ("plain", "second", "border", "infeasible")

DIMS = {
    "deepcache": {"cache_interval": Int(2, 5), "cache_branch_id": Int(0, 3, faster="down")},
    "tome": {"ratio": Float(0.1, 0.9, 0.1), "max_downsample": Int(1, 4)},
    "tgate": {
        "gate_step": Int(5, 19, faster="down"),
        "sp_interval": Int(2, 9),
        "fi_interval": Int(1, 5),
        "warmup": Int(1, 3, faster="down"),
    },
}
MEMBERS = {
    "deepcache16": ("deepcache",),
    "tome36": ("tome",),
    "tgate1800": ("tgate",),
    "combo1M": ("deepcache", "tome", "tgate"),
    "combo1M-off": ("deepcache", "tome", "tgate"),
}
PRESETS = {
    "deepcache": {"cache_interval": 3, "cache_branch_id": 0},
    "tome": {"ratio": 0.5, "max_downsample": 1},
    "tgate": {"gate_step": 10, "sp_interval": 5, "fi_interval": 1, "warmup": 2},
}


@dataclass
class Part:
    """One accelerator's settings as arrays; row 0 is "off" where the space has it.

    Attributes:
        name: The accelerator.
        configs: Parameters of every row; None for off.
        canonical: Row that each row is the same computation as.
        saved: -log of counted work.
        faster: -log of true time, alone.
        loss: True loss of the first metric, alone.
        ssim: True loss of the second metric, alone.
    """

    name: str
    configs: list
    canonical: np.ndarray
    saved: np.ndarray
    faster: np.ndarray
    loss: np.ndarray
    ssim: np.ndarray

    def __post_init__(self):
        self.row = {frozen(params): i for i, params in enumerate(self.configs)}


class Table:
    """One world: a space, an evaluator, and the truth."""

    def __init__(self, kind: str, variant: str, seed: int) -> None:
        self.kind, self.variant, self.seed = kind, variant, seed
        self.off = kind.endswith("off")
        for attempt in range(200):
            self._draw(np.random.default_rng([seed, *self._codes(), attempt]))
            if self._worth_searching():
                break
        self.space = self._space()

    def _codes(self) -> tuple[int, int]:
        return KINDS.index(self.kind), VARIANTS.index(self.variant)

    def _draw(self, rng: np.random.Generator) -> None:
        self.parts = [_part(name, self.variant, rng, self.off) for name in MEMBERS[self.kind]]
        if len(self.parts) > 1 and self.variant != "border":
            # Three accelerators share one limit; alone each would be allowed all of it.
            for part in self.parts:
                part.loss, part.ssim = part.loss * 0.6, part.ssim * 0.6
        self._pairs = rng.uniform(-0.12, 0.06, size=3)
        self._loss_pairs = rng.uniform(-0.2, 0.5, size=3)
        self._rough_speed, self._rough_loss = 0.007, rng.uniform(0.0005, 0.0015)
        self.item_sd = rng.uniform(0.03, 0.05)
        self.limits = (Limit("clip", LIMIT),)
        if self.variant == "second":
            self.limits += (Limit("ssim", SSIM_LIMIT, relative=False, perfect=1.0),)
        self._compute()

    def _worth_searching(self) -> bool:
        """Neither nearly everything nor nearly nothing is feasible; a second metric binds."""
        if self.variant in ("border", "infeasible"):
            return True
        share = self.n_feasible / self.faster.size
        large = self.faster.size > 10_000
        if not (0.001 if large else 0.1) <= share <= 0.9:
            return False
        first_alone = (self.loss <= LIMIT) & (self.faster > 0)
        best = float(self.faster[first_alone].max())
        return self.variant == "plain" or best > self.optimum + math.log(1.05)

    def _compute(self) -> None:
        """True log speed and losses of every combination, as arrays over the parts' rows."""
        shape = tuple(len(part.configs) for part in self.parts)
        canon = np.ravel_multi_index(np.ix_(*(part.canonical for part in self.parts)), shape)
        self.canon = canon.reshape(shape)
        faster = _outer([part.faster for part in self.parts])
        loss = _outer([part.loss for part in self.parts])
        ssim = _outer([part.ssim for part in self.parts])
        for k, (i, j) in enumerate(itertools.combinations(range(len(self.parts)), 2)):
            a, b = self.parts[i], self.parts[j]
            faster = faster + self._pairs[k] * _at(np.sqrt(_up(a.faster)), i, shape) * _at(
                np.sqrt(_up(b.faster)), j, shape
            )
            cross = np.sqrt(_up(_at(a.loss, i, shape)) * _up(_at(b.loss, j, shape)))
            loss = loss + self._loss_pairs[k] * cross
            ssim = ssim + 0.3 * self._loss_pairs[k] * np.sqrt(
                _up(_at(a.ssim, i, shape)) * _up(_at(b.ssim, j, shape))
            )
        if self.variant == "infeasible":
            loss = loss + 0.025
        flat = self.canon
        self.faster = faster.ravel()[flat] + self._rough_speed * _normal(flat, self.seed, 1)
        self.loss = loss.ravel()[flat] + self._rough_loss * _normal(flat, self.seed, 2)
        self.ssim = ssim.ravel()[flat] + 0.003 * _normal(flat, self.seed, 3)
        self.feasible = (self.loss <= LIMIT) & (self.faster > 0)
        if self.variant == "second":
            self.feasible &= self.ssim <= SSIM_LIMIT
        if self.off:
            self.feasible.flat[0] = False
        self.n_feasible = int(self.feasible.sum())
        self.optimum = float(self.faster[self.feasible].max()) if self.n_feasible else math.nan

    def _space(self) -> Space:
        presets = [Config({part.name: PRESETS[part.name] for part in self.parts})]
        if self.off:
            presets += [Config({part.name: PRESETS[part.name]}) for part in self.parts]
        return Space(
            {part.name: DIMS[part.name] for part in self.parts},
            canonical=self.canonical,
            presets=tuple(presets),
            work=self.work,
            require_all=not self.off,
        )

    def rows(self, config: Config) -> tuple[int, ...]:
        """The parts' rows that a config names."""
        return tuple(
            part.row[frozen(dict(config[part.name])) if part.name in config else None]
            for part in self.parts
        )

    def canonical(self, config: Config) -> Config | Refusal:
        found = {}
        for part in self.parts:
            if part.name in config:
                row = part.canonical[part.row[frozen(dict(config[part.name]))]]
                found[part.name] = part.configs[row]
        return Config(found)

    def work(self, config: Config) -> float:
        saved = 0.0
        for part in self.parts:
            if part.name in config:
                saved += part.saved[part.row[frozen(dict(config[part.name]))]]
        return math.exp(-saved)

    def truth(self, config: Config) -> tuple[float, bool]:
        """Log speedup and feasibility."""
        rows = self.rows(config)
        return float(self.faster[rows]), bool(self.feasible[rows])

    def evaluate(self, config: Config, batch: Batch) -> BatchMeasurement:
        """The seam. Item scatter has mean zero over all items, so that a full pass is exact."""
        rows = self.rows(config)
        cell = int(self.canon[rows])
        ids = np.array(batch.item_ids)
        rng = np.random.default_rng([self.seed, cell, 11])
        scatter = _centred(0.6 * self._items(21) + 0.8 * rng.normal(size=N_ITEMS))
        second = _centred(rng.normal(size=N_ITEMS))
        base = 30 + _centred(2 * self._items(22))
        size = 0.5 + 0.5 * min(3.0, max(0.0, float(self.loss[rows])) / LIMIT)
        lost = self.loss[rows] * base.mean() + 30 * self.item_sd * size * scatter
        noise = np.random.default_rng([self.seed, cell, 31, batch.index, batch.seed % 2**31])
        seconds = math.exp(-self.faster[rows] + noise.normal(0, BLOCK_NOISE))
        scores = {"clip": tuple((base - lost)[ids])}
        if self.variant == "second":
            scores["ssim"] = tuple(1 - (self.ssim[rows] + 0.05 * second)[ids])
        return BatchMeasurement(
            seconds=(seconds, seconds),
            baseline_seconds=(1.0, 1.0),
            scores=scores,
            baseline_scores={"clip": tuple(base[ids])},
        )

    def _items(self, stream: int) -> np.ndarray:
        return np.random.default_rng([self.seed, stream]).normal(size=N_ITEMS)


def _part(name: str, variant: str, rng: np.random.Generator, off: bool) -> Part:
    dims = DIMS[name]
    rows = [
        dict(zip(dims, values, strict=True))
        for values in itertools.product(*(d.values() for d in dims.values()))
    ]
    make = {"deepcache": _deepcache, "tome": _tome, "tgate": _tgate}[name]
    canonical, saved, loss, ssim, overhead = make(rows, rng)
    if variant == "border":
        loss = loss * (LIMIT / 4) / loss.max()
    bump = 1 + 0.12 * np.sin(rng.uniform(1, 4) * saved / saved.max() + rng.uniform(0, 6))
    faster = saved * rng.uniform(0.85, 1.0) * bump - overhead
    columns = [saved, faster, loss, ssim]
    if off:
        rows = [None, *rows]
        canonical = np.concatenate([[0], canonical + 1])
        columns = [np.concatenate([[0.0], column]) for column in columns]
    return Part(name, rows, canonical, *columns)


def _deepcache(rows, rng):
    interval = np.array([r["cache_interval"] for r in rows], float)
    branch = np.array([r["cache_branch_id"] for r in rows])
    share = rng.uniform(0.75, 0.95) * np.cumprod([1.0, *rng.uniform(0.55, 0.9, 3)])
    saved = -np.log(1 - (1 - 1 / interval) * share[branch])
    gentle = np.cumprod([1.0, *rng.uniform(0.5, 0.95, 3)])
    top = rng.uniform(0.025, 0.07)
    shape = ((interval - 1) / 4) ** rng.uniform(1.0, 2.2) * gentle[branch]
    ssim = rng.uniform(0.35, 0.6) * ((interval - 1) / 4) ** 0.8 * gentle[branch] ** 0.7
    return np.arange(len(rows)), saved, top * shape, ssim, rng.uniform(0, 0.03)


def _tome(rows, rng):
    ratio = np.array([r["ratio"] for r in rows])
    level = np.array([r["max_downsample"] for r in rows])
    canonical = np.arange(len(rows))
    index = {(r["ratio"], r["max_downsample"]): i for i, r in enumerate(rows)}
    for i, r in enumerate(rows):
        same = (
            0.8 if r["ratio"] > 0.75 else r["ratio"],
            2 if r["max_downsample"] == 3 else r["max_downsample"],
        )
        canonical[i] = index[same]
    merged = np.minimum(ratio, 0.75)
    place = np.array([0, 1, 1, 2])[level - 1]
    share = np.cumsum([rng.uniform(0.06, 0.2), rng.uniform(0.01, 0.06), rng.uniform(0.005, 0.04)])
    saved = -np.log(1 - share[place] * (1 - (1 - merged) ** 2) * 1.2)
    weight = np.cumsum([1.0, rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8)])
    top = rng.uniform(0.03, 0.06)
    shape = (merged / 0.75) ** rng.uniform(1.2, 2.5) * weight[place] / weight[2]
    ssim = rng.uniform(0.2, 0.45) * (merged / 0.75) * weight[place] / weight[2]
    return canonical, saved, top * shape, ssim, rng.uniform(0, 0.02)


def _tgate(rows, rng):
    schedules = [_schedule(r) for r in rows]
    first = {}
    canonical = np.array([first.setdefault(s, i) for i, s in enumerate(schedules)])
    gate = np.array([r["gate_step"] for r in rows], float)
    fresh = np.array([s[1] for s in schedules], float)
    step = np.arange(STEPS)
    late = step[None, :] >= gate[:, None]
    self_share, cross_share = rng.uniform(0.05, 0.25), rng.uniform(0.02, 0.06)
    cost = np.where(late, 0.5 * (1 - cross_share), 1.0) * (1 - self_share * (1 - fresh))
    saved = -np.log(cost.mean(axis=1))
    early_reuse = ((1 - fresh) * ~late).mean(axis=1)
    late_reuse = ((1 - fresh) * late).mean(axis=1)
    cut = ((STEPS - gate) / 15) ** rng.uniform(1.2, 2.5)
    top, reuse = rng.uniform(0.025, 0.07), rng.uniform(0.005, 0.03, 2)
    loss = top * cut + reuse[0] * early_reuse * 2 + reuse[1] * late_reuse * (0.5 + cut)
    ssim = rng.uniform(0.3, 0.6) * cut**0.8 + 0.2 * early_reuse + 0.1 * late_reuse
    return canonical, saved, loss, ssim, rng.uniform(0, 0.02)


def _schedule(params):
    """Which steps compute self-attention anew; equal schedules are one computation."""
    gate, sp, fi, warm = (params[k] for k in ("gate_step", "sp_interval", "fi_interval", "warmup"))
    early = warm < gate - 2
    fresh = []
    for i in range(STEPS):
        if i < gate - 1:
            fresh.append(not early or i <= warm or i % sp == 0)
        else:
            fresh.append(i == gate - 1 or (i - gate) % fi == 0)
    return gate, tuple(fresh)


def frozen(params):
    return None if params is None else tuple(sorted((k, round(v, 6)) for k, v in params.items()))


def _outer(columns):
    total = columns[0]
    for column in columns[1:]:
        total = total[..., None] + column
    return total


def _at(column, axis, shape):
    return column.reshape([-1 if i == axis else 1 for i in range(len(shape))])


def _up(values):
    return np.maximum(values, 0.0)


def _centred(values):
    return values - values.mean()


def _normal(cells: np.ndarray, seed: int, stream: int) -> np.ndarray:
    """Standard normal numbers that depend on the cell alone (SplitMix64, then Box-Muller)."""
    x = cells.astype(np.uint64) * np.uint64(2) + np.uint64((seed * 1000003 + stream * 7919) % 2**62)
    first, second = _uniform(x), _uniform(x + np.uint64(0x5851F42D4C957F2D))
    return np.sqrt(-2 * np.log(first)) * np.cos(2 * math.pi * second)


def _uniform(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    return (x.astype(np.float64) + 0.5) / 2.0**64


def describe(table: Table) -> str:
    best = np.unravel_index(
        np.argmax(np.where(table.feasible, table.faster, -9)), table.faster.shape
    )
    names = [part.configs[i] for part, i in zip(table.parts, best, strict=True)]
    near = (table.feasible & (table.faster >= table.optimum + math.log(0.95))).sum()
    head = f"{table.kind} {table.variant} {table.seed}"
    share = f"{table.n_feasible}/{table.faster.size} feasible"
    return f"{head}: {share}, best {math.exp(table.optimum):.3f}x, within 5 %: {near}, {names}"


if __name__ == "__main__":
    for kind in KINDS:
        for variant in VARIANTS:
            for seed in range(3):
                print(describe(Table(kind, variant, seed)))
