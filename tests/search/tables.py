"""A small analytic world: three accelerators, deterministic noise, known truth."""

from __future__ import annotations

import math

import numpy as np

from accel_opt.core.config import Config
from accel_opt.core.dims import Float, Int
from accel_opt.core.measurement import Batch, BatchMeasurement, Limit
from accel_opt.search import SearchPlan, Space

LIMITS = (Limit("clip", 0.02),)
DEEPCACHE = {"cache_interval": Int(2, 5), "cache_branch_id": Int(0, 3, faster="down")}
TOME = {"ratio": Float(0.1, 0.9, 0.1), "max_downsample": Int(1, 4)}
TGATE = {
    "gate_step": Int(5, 19, faster="down"),
    "sp_interval": Int(2, 9),
    "fi_interval": Int(1, 5),
    "warmup": Int(1, 3, faster="down"),
}
ALL = {"deepcache": DEEPCACHE, "tome": TOME, "tgate": TGATE}


def work(config: Config) -> float:
    total = 1.0
    if "deepcache" in config:
        p = config["deepcache"]
        total *= 1 - (1 - 1 / p["cache_interval"]) * (0.9 - 0.15 * p["cache_branch_id"])
    if "tome" in config:
        total *= 1 - 0.1 * config["tome"]["ratio"]
    if "tgate" in config:
        p = config["tgate"]
        total *= 1 - 0.5 * (20 - p["gate_step"]) / 20 - 0.01 * (p["fi_interval"] - 1)
    return total


def loss(config: Config) -> float:
    total = 0.0
    if "deepcache" in config:
        p = config["deepcache"]
        total += 0.004 * (p["cache_interval"] - 1) ** 1.5 * (1 - 0.2 * p["cache_branch_id"])
    if "tome" in config:
        p = config["tome"]
        total += 0.02 * p["ratio"] ** 2 * p["max_downsample"] / 4
    if "tgate" in config:
        p = config["tgate"]
        total += 0.03 * ((20 - p["gate_step"]) / 20) ** 2 + 0.001 * p["fi_interval"]
    return total


def space(*names: str, **options) -> Space:
    return Space({name: ALL[name] for name in names or ALL}, work=work, **options)


def plan(**options) -> SearchPlan:
    chosen = {"limits": LIMITS, "n_items": 20, "batch_size": 5, "confirm_items": 60, "trials": 8}
    return SearchPlan(**{**chosen, **options})


def evaluate(config: Config, batch: Batch) -> BatchMeasurement:
    """Deterministic: the same config and batch give the same numbers."""
    rng = np.random.default_rng([int(config.key[:8], 16), batch.index, batch.seed % 2**32])
    n = len(batch.item_ids)
    base = 30 + np.random.default_rng([batch.index, 7]).normal(0, 2, n)
    fast = base * (1 - loss(config) - rng.normal(0, 0.01, n))
    timed = batch.phase == "confirm" or batch.index < 2
    return BatchMeasurement(
        seconds=(work(config) ** 0.9 * math.exp(rng.normal(0, 0.005)),),
        baseline_seconds=(math.exp(rng.normal(0, 0.005)),) if timed else (),
        scores={"clip": tuple(fast)},
        baseline_scores={"clip": tuple(base)},
    )


def summary(result) -> list[tuple]:
    """What must be equal for two searches to count as equal."""
    return [(r.key, r.outcome, r.n_items, r.gain.value) for r in result.trials]
