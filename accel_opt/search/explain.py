"""Which parameters matter, and what became of every evaluation, from a study's records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from accel_opt.search.records import Record
from accel_opt.search.space import Space

if TYPE_CHECKING:
    from accel_opt.search.read import StudyView

_TREES = 40
_DEPTH = 5
_LEAST = 6
# An importance from fewer evaluations would be noise.
_ENOUGH = 12


def importance(
    space: Space, records: Iterable[Record], metric: str | None = None
) -> dict[str, float]:
    """How much each parameter moves the objective, or a loss, over the evaluations made.

    The share of variance that splitting on a parameter explains, in a small forest of regression
    trees grown on resampled evaluations (mean decrease of impurity, Breiman 2001).

    Args:
        space: What was searched.
        records: The evaluations.
        metric: A loss; None means the log objective.

    Returns:
        Shares by parameter, greatest first, summing to 1; empty for fewer than six evaluations.
    """
    return importance_of([axis.label for axis in space.axes], records, metric)


def importances(view: StudyView) -> dict[str, dict[str, float]]:
    """Shares of every parameter, for "speed" and for the loss of the first metric.

    Returns:
        Empty for fewer than twelve measured evaluations, or a single parameter.
    """
    labels, metric = list(view.parameters), view.limits[0].metric
    speed = importance_of(labels, view.records)
    if sum(record.measured for record in view.records) < _ENOUGH or len(speed) < 2:
        return {}
    return {"speed": speed, metric: importance_of(labels, view.records, metric)}


def importance_of(
    labels: Sequence[str], records: Iterable[Record], metric: str | None = None
) -> dict[str, float]:
    """The same for a study whose space is known by its parameters' names only."""
    known = [r for r in records if r.measured and (metric is None or metric in r.losses)]
    if len(known) < _LEAST:
        return {}
    points = np.array([r.point for r in known], dtype=float)
    values = np.array([r.gain.value if metric is None else r.losses[metric].value for r in known])
    rng = np.random.default_rng(0)
    shares = np.zeros(points.shape[1])
    for _ in range(_TREES):
        drawn = rng.integers(len(known), size=len(known))
        _grow(points[drawn], values[drawn], shares, _DEPTH, rng)
    total = shares.sum()
    ranked = sorted(zip(labels, shares, strict=True), key=lambda pair: -pair[1])
    return {label: float(share / total) if total > 0 else 0.0 for label, share in ranked}


def outcomes(records: Iterable[Record]) -> dict[str, int]:
    """How many evaluations ended in each way, most frequent first."""
    return dict(Counter(record.outcome for record in records).most_common())


def _grow(
    points: np.ndarray,
    values: np.ndarray,
    shares: np.ndarray,
    depth: int,
    rng: np.random.Generator,
) -> None:
    """Splits where the squared error falls most, and credits the axis."""
    if depth == 0 or len(values) < 4 or float(np.ptp(values)) == 0:
        return
    axes = rng.permutation(points.shape[1])[: max(1, (points.shape[1] + 1) // 2)]
    before = float(((values - values.mean()) ** 2).sum())
    best, found = 0.0, None
    for axis in axes:
        for level in np.unique(points[:, axis])[:-1]:
            left = points[:, axis] <= level
            parts = (values[left], values[~left])
            after = sum(float(((part - part.mean()) ** 2).sum()) for part in parts)
            if before - after > best:
                best, found = before - after, (axis, left)
    if found is None:
        return
    axis, left = found
    shares[axis] += best
    _grow(points[left], values[left], shares, depth - 1, rng)
    _grow(points[~left], values[~left], shares, depth - 1, rng)
