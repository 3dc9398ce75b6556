"""Points that the model is asked about: everything in small spaces, a good sample in large ones."""

from __future__ import annotations

import numpy as np

from accel_opt.search.records import Record
from accel_opt.search.space import Space
from accel_opt.search.strategies.base import LISTED, View

_RANDOM = 900
_BRED = 900
_PARENTS = 12


def candidates(view: View) -> np.ndarray:
    """Points (n, axes) in normal form, without repeats."""
    settings = view.space.distinct(LISTED)
    if settings is not None:
        return np.array([s.point for s in settings if not view.ledger.taken(s.key)])
    rows = [view.space.sample(view.rng, _RANDOM)]
    pool = parents(view)
    if len(pool):
        rows += [around(view.space, pool), _bred(view, pool)]
    return tidy(view.space, np.concatenate(rows))


def parents(view: View) -> np.ndarray:
    """Points of presets and of the evaluations worth staying close to."""
    limits = view.ledger.limits
    presets = [view.space.encode(config) for config in view.space.presets]
    scored = sorted(view.ledger.measured, key=lambda r: -_merit(view, r))[:_PARENTS]
    feasible = [r.point for r in scored if r.within(limits)]
    rest = [r.point for r in scored if not r.within(limits)]
    points = [*feasible, *rest, *(p for p in presets if p is not None)]
    return np.array(list(dict.fromkeys(points)), dtype=int).reshape(-1, len(view.space.axes))


def around(space: Space, points: np.ndarray) -> np.ndarray:
    """Every point one level away on one axis from any of `points`."""
    near = []
    for i, axis in enumerate(space.axes):
        for step in (-1, 1):
            moved = points.copy()
            moved[:, i] = np.clip(moved[:, i] + step, 0, len(axis.values) - 1)
            near.append(moved)
    return np.concatenate(near)


def tidy(space: Space, points: np.ndarray) -> np.ndarray:
    """Normal forms without repeats and without all-off."""
    points = points.copy()
    for positions in space.members.values():
        if space.axes[positions[0]].has_off:
            off = points[:, positions[0]] == 0
            for i in positions:
                points[off, i] = 0
    found: np.ndarray = np.unique(points, axis=0)
    return found[found.any(axis=1)] if space.axes[0].has_off else found


def _bred(view: View, pool: np.ndarray) -> np.ndarray:
    """Accelerators' parts of good points put together anew, then up to three levels moved."""
    space, rng = view.space, view.rng
    children = np.empty((_BRED, len(space.axes)), dtype=int)
    for positions in space.members.values():
        chosen = rng.integers(len(pool), size=_BRED)
        children[:, positions] = pool[chosen][:, positions]
    tops = np.array([len(axis.values) - 1 for axis in space.axes])
    for _ in range(3):
        axis = rng.integers(len(tops), size=_BRED)
        step = rng.integers(-2, 3, size=_BRED)
        rows = np.arange(_BRED)
        children[rows, axis] = np.clip(children[rows, axis] + step, 0, tops[axis])
    return children


def _merit(view: View, record: Record) -> float:
    """Gain less a penalty for violated limits, as log speedup."""
    excess = 0.0
    for limit in view.ledger.limits:
        loss = record.losses[limit.metric].value
        excess += max(0.0, (loss - limit.limit) / (abs(limit.limit) or 1.0))
    return record.gain.value - 0.5 * excess
