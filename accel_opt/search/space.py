"""What is searched: axes of whole levels from mild to harsh, and the settings they spell."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from accel_opt.core.config import Config
from accel_opt.core.dims import Dim, Number
from accel_opt.core.errors import InputError
from accel_opt.core.run import Refusal

Point = tuple[int, ...]
Canonical = Callable[[Config], "Config | Refusal"]


@dataclass(frozen=True)
class Axis:
    """One parameter of one accelerator as levels, from the mild end to the harsh one.

    Attributes:
        accelerator: Name of the accelerator.
        parameter: Name of the parameter.
        values: The parameter's value at each level; None means that the accelerator is off.
        numbers: What a study stores for each level: the value itself; for "off" the number one
            step beyond the mild end.
    """

    accelerator: str
    parameter: str
    values: tuple[Number | None, ...]
    numbers: tuple[Number, ...]

    @property
    def label(self) -> str:
        """Name of the parameter in the study."""
        return f"{self.accelerator}.{self.parameter}"

    @property
    def has_off(self) -> bool:
        """Whether level 0 turns the accelerator off."""
        return self.values[0] is None


@dataclass(frozen=True)
class Setting:
    """A point of the space with what it means.

    Attributes:
        point: Level of each axis.
        config: The canonical config: what is measured.
        key: Equal for equal computations.
    """

    point: Point
    config: Config
    key: str


@dataclass(frozen=True, eq=False)
class Space:
    """A space of settings; "off" is a level of its own where that makes sense.

    Attributes:
        parameters: Dimensions by accelerator and parameter, in the order of importance: the
            first parameter of an accelerator carries its "off".
        canonical: Valid and normal form of a config, or why it cannot be: configs with equal
            forms are the same computation and are measured once. None: every config is its own.
        presets: Settings worth trying first, such as published ones.
        work: Counted work of a config relative to the baseline's 1.0 (FLOPs), when known. Without
            it every strategy goes by what it measures, and the objective "flops" is refused.
        require_all: Keep every accelerator on.

    Raises:
        InputError: There is nothing to search.
    """

    parameters: Mapping[str, Mapping[str, Dim]]
    canonical: Canonical | None = None
    presets: tuple[Config, ...] = ()
    work: Callable[[Config], float] | None = None
    require_all: bool = False
    _settings: dict[Point, Setting | Refusal] = field(default_factory=dict, repr=False)
    _works: dict[str, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.parameters or not all(self.parameters.values()):
            raise InputError(
                "the space has an accelerator without parameters, or none at all; "
                "give parameters={accelerator: {parameter: Int(...)}}"
            )

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """Axes in the order of `parameters`."""
        with_off = len(self.parameters) > 1 and not self.require_all
        found = []
        for accelerator, dims in self.parameters.items():
            for place, (name, dim) in enumerate(dims.items()):
                found.append(_axis(accelerator, name, dim, off=with_off and place == 0))
        return tuple(found)

    @cached_property
    def members(self) -> dict[str, tuple[int, ...]]:
        """Positions of each accelerator's axes."""
        return {
            name: tuple(i for i, axis in enumerate(self.axes) if axis.accelerator == name)
            for name in self.parameters
        }

    @cached_property
    def size(self) -> int:
        """Number of settings before equal ones are merged and impossible ones left out."""
        total = 1
        for positions in self.members.values():
            off = self.axes[positions[0]].has_off
            total *= (
                math.prod(len(self.axes[i].values) - (off and i == positions[0]) for i in positions)
                + off
            )
        return total - 1 if self.axes[0].has_off else total

    @property
    def shape(self) -> dict[str, list[Number]]:
        """What the study remembers of the space: the numbers of every axis."""
        return {axis.label: list(axis.numbers) for axis in self.axes}

    def normal(self, point: Point) -> Point:
        """The point with every axis of an accelerator that is off at its mildest level."""
        levels = list(point)
        for positions in self.members.values():
            if self.axes[positions[0]].has_off and levels[positions[0]] == 0:
                for i in positions:
                    levels[i] = 0
        return tuple(levels)

    def decode(self, point: Point) -> Config:
        """The config that a point spells, not yet canonical."""
        settings: dict[str, dict[str, Number]] = {}
        for name, positions in self.members.items():
            values = [self.axes[i].values[point[i]] for i in positions]
            if values[0] is not None:
                settings[name] = {
                    self.axes[i].parameter: value
                    for i, value in zip(positions, values, strict=True)
                    if value is not None
                }
        return Config(settings)

    def encode(self, config: Config) -> Point | None:
        """The point that spells `config`; None when it lies outside the space."""
        if not set(config) <= set(self.parameters):
            return None
        levels = []
        for axis in self.axes:
            value = (
                config[axis.accelerator].get(axis.parameter) if axis.accelerator in config else None
            )
            if axis.accelerator not in config:
                first = self.axes[self.members[axis.accelerator][0]]
                if not first.has_off:
                    return None
                levels.append(0)
            elif value is None or value not in axis.values:
                return None
            else:
                levels.append(axis.values.index(value))
        return tuple(levels)

    def resolve(self, point: Point) -> Setting | Refusal:
        """The setting at a point, or why there is none."""
        point = self.normal(point)
        if point not in self._settings:
            self._settings[point] = self._resolve(point)
        return self._settings[point]

    def _resolve(self, point: Point) -> Setting | Refusal:
        config = self.decode(point)
        if not config:
            return Refusal("everything is off")
        form = self.canonical(config) if self.canonical else config
        if isinstance(form, Refusal):
            return form
        if not form:
            return Refusal(f"{config} does nothing")
        spelled = self.encode(form)
        return Setting(point if spelled is None else spelled, form, form.key)

    def points(self) -> Iterator[Point]:
        """Every point in normal form, all-off left out, in lexicographic order."""
        blocks = []
        for positions in self.members.values():
            ranges = [range(len(self.axes[i].values)) for i in positions]
            if self.axes[positions[0]].has_off:
                on = itertools.product(range(1, len(self.axes[positions[0]].values)), *ranges[1:])
                blocks.append([(0,) * len(positions), *on])
            else:
                blocks.append(list(itertools.product(*ranges)))
        for parts in itertools.product(*blocks):
            point = tuple(itertools.chain.from_iterable(parts))
            if not (self.axes[0].has_off and not any(point)):
                yield point

    def distinct(self, at_most: int) -> list[Setting] | None:
        """One setting per key in the order of `points`; None when there are too many points."""
        if self.size > at_most:
            return None
        found: dict[str, Setting] = {}
        for point in self.points():
            setting = self.resolve(point)
            if isinstance(setting, Setting):
                found.setdefault(setting.key, setting)
        return list(found.values())

    def neighbours(self, point: Point) -> list[Point]:
        """Points one level away on one axis, in normal form."""
        near = [
            self.normal((*point[:i], level, *point[i + 1 :]))
            for i, axis in enumerate(self.axes)
            for level in (point[i] - 1, point[i] + 1)
            if 0 <= level < len(axis.values)
        ]
        return [p for p in dict.fromkeys(near) if p != point]

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """`n` points drawn uniformly, not yet in normal form, as an array (n, axes)."""
        counts = [len(axis.values) for axis in self.axes]
        return rng.integers(0, counts, size=(n, len(counts)))

    def params(self, point: Point) -> dict[str, Number]:
        """The study's parameters of a point."""
        return {
            axis.label: axis.numbers[level] for axis, level in zip(self.axes, point, strict=True)
        }

    def point_of(self, params: Mapping[str, Number]) -> Point | None:
        """The point that the study's parameters name; None when they name none."""
        levels = []
        for axis in self.axes:
            if axis.label not in params:
                return None
            gaps = [abs(number - params[axis.label]) for number in axis.numbers]
            level = min(range(len(gaps)), key=gaps.__getitem__)
            if gaps[level] > 1e-6:
                return None
            levels.append(level)
        return tuple(levels)

    def work_of(self, config: Config) -> float | None:
        """Counted work of a config relative to the baseline; None when nobody counts it."""
        if self.work is None:
            return None
        if config.key not in self._works:
            value = float(self.work(config))
            self._works[config.key] = value if value > 0 and math.isfinite(value) else 1.0
        return self._works[config.key]


def _axis(accelerator: str, name: str, dim: Dim, *, off: bool) -> Axis:
    values: tuple[Number, ...] = dim.gently_first()
    if not off:
        return Axis(accelerator, name, values, values)
    beyond = values[0] - dim.step if dim.faster == "up" else values[0] + dim.step
    number = beyond if isinstance(dim.step, int) else round(beyond, 10)
    return Axis(accelerator, name, (None, *values), (number, *values))
