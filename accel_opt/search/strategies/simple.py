"""Strategies without a model: random, enumeration, and the old nested loops."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from accel_opt.search.space import Axis, Point, Setting, Space
from accel_opt.search.strategies.base import (
    EXHAUSTED,
    Proposal,
    View,
    any_free,
    free,
    presets,
    untried,
)


class Random:
    """Untried settings at random, presets first."""

    name = "random"
    tells_pruned = False

    def propose(self, view: View) -> Proposal:
        """See Strategy."""
        first = presets(view)
        return first[0] if first else any_free(view)


class Enumerate:
    """Every setting once: least counted work first; without counts, harshest first."""

    name = "enumerate"
    tells_pruned = False

    def propose(self, view: View) -> Proposal:
        """See Strategy."""
        left = untried(view)
        if left is None:
            return next(_free(view, view.space.points()), EXHAUSTED)
        if not left:
            return EXHAUSTED
        return min(left, key=lambda setting: _order(view.space, setting))


class Traversal:
    """The nested loops that this package replaces, as the yardstick.

    Args:
        skip: Pass over a setting that is no harsher in any parameter than the best feasible
            one so far, equality included, as the old script did.
    """

    tells_pruned = False

    def __init__(self, *, skip: bool = False) -> None:
        self.skip = skip
        self.name = "traversal-skip" if skip else "traversal"
        self._loops: Iterator[Point] | None = None
        self._space: Space | None = None

    def propose(self, view: View) -> Proposal:
        """See Strategy."""
        if self._loops is None or self._space is not view.space:
            self._space, self._loops = view.space, nested_loops(view.space)
        best = view.ledger.best
        point = view.space.encode(best.config) if best and self.skip else None
        for setting in _free(view, self._loops):
            if point is None or any(a > b for a, b in zip(setting.point, point, strict=True)):
                return setting
        return EXHAUSTED


# The old loops, outermost first; parameters not named here come between, in their own order.
_OUTER = ("cache_branch_id", "max_downsample", "warmup", "gate_step", "sp_interval", "fi_interval")
_INNER = ("ratio", "cache_interval")
_DESCENDING = ("max_downsample",)


def nested_loops(space: Space) -> Iterator[Point]:
    """All points in the order of the old scripts: ascending values, `max_downsample` falling."""
    order = sorted(range(len(space.axes)), key=lambda i: loop_depth(space.axes[i], i))
    ranges = [loop_levels(space.axes[i]) for i in order]
    for levels in itertools.product(*ranges):
        point = [0] * len(order)
        for i, level in zip(order, levels, strict=True):
            point[i] = level
        normal = space.normal(tuple(point))
        if normal == tuple(point):
            yield normal


def loop_depth(axis: Axis, place: int) -> tuple[int, int]:
    """How deep an axis lies in the loops: sorts outermost first."""
    name = axis.parameter
    if name in _OUTER:
        return 0, _OUTER.index(name)
    return (2, _INNER.index(name)) if name in _INNER else (1, place)


def loop_levels(axis: Axis) -> list[int]:
    """Levels of an axis in the order in which its loop runs."""
    levels = sorted(range(len(axis.numbers)), key=lambda level: axis.numbers[level])
    return levels[::-1] if axis.parameter in _DESCENDING else levels


def _free(view: View, points: Iterator[Point]) -> Iterator[Setting]:
    for point in points:
        setting = free(view, point)
        if setting:
            yield setting


def _order(space: Space, setting: Setting) -> tuple[float, tuple[int, ...]]:
    work = space.work_of(setting.config)
    mildness = -float(sum(setting.point)) if work is None else work
    return mildness, tuple(-level for level in setting.point)
