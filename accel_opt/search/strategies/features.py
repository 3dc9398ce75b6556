"""Points as features: which accelerators are on, how harsh each parameter is, counted work."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from accel_opt.search.space import Point, Space


@dataclass(frozen=True)
class Features:
    """Features of n points.

    Attributes:
        on: (n, accelerators), 1 where an accelerator is on.
        harsh: (n, axes) in [0, 1], from the mild end to the harsh one; 0 where off.
        saved: (n, accelerators), -log of the counted work of that accelerator alone.
        joint: (n,) the sum of `saved`: what the speed would be if factors multiplied and
            nothing but counted work took time.
        owner: (axes,) the accelerator of each axis.
    """

    on: np.ndarray
    harsh: np.ndarray
    saved: np.ndarray
    joint: np.ndarray
    owner: np.ndarray

    def __len__(self) -> int:
        return len(self.on)


class Featurizer:
    """Turns points into features; counted work is remembered per accelerator's part.

    Args:
        space: What is searched.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.names = list(space.members)
        self.owner = np.array([self.names.index(axis.accelerator) for axis in space.axes])
        self._off = np.array([axis.has_off for axis in space.axes])
        spans = [len(axis.values) - 1 - axis.has_off for axis in space.axes]
        self._span = np.maximum(1, np.array(spans))
        self._saved: dict[tuple[int, Point], float] = {}

    @property
    def counted(self) -> bool:
        """Whether work is known."""
        return self.space.work is not None

    def __call__(self, points: np.ndarray) -> Features:
        """Features of points as an array (n, axes)."""
        on = np.ones((len(points), len(self.names)))
        for a, positions in enumerate(self.space.members.values()):
            if self._off[positions[0]]:
                on[:, a] = points[:, positions[0]] > 0
        harsh = np.maximum(points - self._off, 0) / self._span * on[:, self.owner]
        saved = self._all_saved(points, on)
        return Features(on, harsh, saved, saved.sum(axis=1), self.owner)

    def _all_saved(self, points: np.ndarray, on: np.ndarray) -> np.ndarray:
        saved = np.zeros_like(on)
        if not self.counted:
            return saved
        for a, positions in enumerate(self.space.members.values()):
            part = points[:, positions]
            unique, place = np.unique(part, axis=0, return_inverse=True)
            values = [self._part(a, tuple(int(v) for v in row)) for row in unique]
            saved[:, a] = np.array(values)[place.ravel()] * on[:, a]
        return saved

    def _part(self, accelerator: int, levels: Point) -> float:
        key = (accelerator, levels)
        if key not in self._saved:
            self._saved[key] = self._count(accelerator, levels)
        return self._saved[key]

    def _count(self, accelerator: int, levels: Point) -> float:
        from accel_opt.core.config import Config

        positions = self.space.members[self.names[accelerator]]
        values = {
            self.space.axes[i].parameter: self.space.axes[i].values[level]
            for i, level in zip(positions, levels, strict=True)
        }
        if any(value is None for value in values.values()):
            return 0.0
        alone = Config(
            {self.names[accelerator]: {k: v for k, v in values.items() if v is not None}}
        )
        form = self.space.canonical(alone) if self.space.canonical else alone
        # A setting that is impossible alone may be possible beside others; it says nothing then.
        work = self.space.work_of(form) if isinstance(form, Config) and form else None
        return -math.log(work) if work else 0.0
