"""Values of search_params.json: the winning setting and what was measured of it."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from accel_opt.core.config import Config
from accel_opt.core.dims import Number
from accel_opt.core.errors import InputError
from accel_opt.core.measurement import Best
from accel_opt.results.key import EntryKey, target_names
from accel_opt.results.owners import built_in_owner
from accel_opt.results.provenance import REQUIRED_LATENCY, confirmed, provenance_of

# JSON's whole numbers have no end, floats have.
_GREATEST = sys.float_info.max
_FIELDS = ("search_targets", "speedup", "time", "score_loss", "time_s", "provenance")


@dataclass(frozen=True)
class Entry:
    """One entry of the file.

    Attributes:
        key: What was asked.
        config: The winner: accelerators that are on, with their parameters.
        speedup: Achieved speedup, rounded to 2 digits in files of every age.
        score_loss: Relative score loss, a fraction; None when an old file lacks it.
        time: Seconds per prompt, rounded to 2 digits; None when an old file lacks it.
        time_s: The same unrounded; None in old files.
        provenance: Conditions, intervals and confirmation; None in old files.
        extra: Fields that belong to other tools, kept as they are.
    """

    key: EntryKey
    config: Config
    speedup: float
    score_loss: float | None = None
    time: float | None = None
    time_s: float | None = None
    provenance: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def search_targets(self) -> tuple[str, ...]:
        """Accelerators that are on in the winner, sorted."""
        return self.config.accelerators

    @property
    def confirmed(self) -> bool:
        """Whether held-out prompts and other seeds bore it out."""
        return confirmed(self.provenance)

    @property
    def stands_alone(self) -> bool:
        """Whether it answers no question but its achieved speedup (the old `--req_time`)."""
        return bool(self.provenance and self.provenance.get(REQUIRED_LATENCY) is not None)

    @property
    def seconds(self) -> float | None:
        """Seconds per prompt, as exactly as the entry says."""
        return self.time if self.time_s is None else self.time_s

    @classmethod
    def from_best(
        cls,
        best: Best,
        *,
        model: str,
        scheduler: str,
        steps: int,
        searched: tuple[str, ...],
        max_score_loss: float = 0.02,
        speedup: float | None = None,
        latency_s: float | None = None,
        achieved_only: bool = False,
        conditions: Mapping[str, Any] | None = None,
    ) -> Entry:
        """The entry that a search's winner makes.

        Args:
            best: The winner, confirmed or not.
            model: Model name.
            scheduler: Scheduler class name.
            steps: Number of steps.
            searched: Accelerators searched together.
            max_score_loss: Allowed score loss of the search.
            speedup: Required speedup; None in upper-bound mode.
            latency_s: Required seconds per prompt; stored as the speedup that they mean here,
                the baseline's latency over them.
            achieved_only: Store a required latency's result under its achieved speedup alone, as
                the old `--req_time` did; its provenance holds the seconds.
            conditions: See `provenance_of`; None writes no provenance.
        """
        achieved = round(best.speedup.value, 2)
        wanted, alone = speedup, achieved_only and latency_s is not None
        if latency_s is not None:
            wanted = achieved if alone else round(best.baseline_latency_s / latency_s, 2)
        key = EntryKey(model, scheduler, steps, wanted, max_score_loss, tuple(searched))
        provenance = None if conditions is None else provenance_of(best, conditions)
        if alone:
            provenance = {**(provenance or {}), REQUIRED_LATENCY: latency_s}
        return cls(
            key=key,
            config=best.config,
            speedup=achieved,
            score_loss=best.score_loss.value,
            time=round(best.latency_s, 2),
            time_s=best.latency_s,
            provenance=None if provenance is None else _plain(provenance),
        )

    def to_json(self) -> dict[str, Any]:
        """The value as the file holds it."""
        value: dict[str, Any] = {"search_targets": list(self.search_targets)}
        for accelerator, params in self.config.items():
            for name, number in params.items():
                value[_stored_name(accelerator, name)] = number
        value["speedup"] = self.speedup
        for name in ("time", "score_loss", "time_s", "provenance"):
            if (found := getattr(self, name)) is not None:
                value[name] = dict(found) if isinstance(found, Mapping) else found
        return value | dict(self.extra)

    @classmethod
    def from_json(cls, key: EntryKey, value: object) -> Entry:
        """Reads a value of any age.

        One-element lists (a fault of old writers) read as what they hold.

        Raises:
            InputError: The value is no entry; the message names the field.
        """
        if not isinstance(value, dict):
            raise InputError(f"{key}: {value!r:.60} is no entry; an object is expected")
        targets = target_names(_unwrapped(value.get("search_targets")))
        if not targets:
            targets = _targets_by_parameters(value) or key.targets or ()
        if not targets:
            raise InputError(f"{key}: no search_targets; name the accelerators that are on")
        settings, extra = _settings(key, targets, value)
        provenance = value.get("provenance")
        if provenance is not None and not isinstance(provenance, dict):
            raise InputError(f"{key}: provenance {provenance!r:.60} is no object")
        speedup = _number(key, value, "speedup")
        if speedup is None:
            speedup = key.speedup
        if speedup is None or speedup <= 0:
            raise InputError(f"{key}: speedup {value.get('speedup')!r:.60} is no number above 0")
        return cls(
            key=key,
            config=Config(settings),
            speedup=float(speedup),
            score_loss=_number(key, value, "score_loss"),
            time=_number(key, value, "time"),
            time_s=_number(key, value, "time_s"),
            provenance=provenance,
            extra=extra,
        )


def _settings(
    key: EntryKey, targets: tuple[str, ...], value: Mapping[str, Any]
) -> tuple[dict[str, dict[str, Number]], dict[str, Any]]:
    """Parameters by accelerator, and the fields that are none."""
    settings: dict[str, dict[str, Number]] = {name: {} for name in targets}
    extra: dict[str, Any] = {}
    for field_name, content in value.items():
        if field_name in _FIELDS:
            continue
        owner, parameter = _owner(field_name)
        if owner not in settings:
            extra[field_name] = content
        elif parameter in settings[owner]:
            raise InputError(f"{key}: {owner}.{parameter} is given twice; leave one of them")
        else:
            number = _number(key, value, field_name)
            if number is None:
                raise InputError(f"{key}: {field_name}={content!r:.60} is no number")
            settings[owner][parameter] = number
    return settings, extra


def _targets_by_parameters(value: Mapping[str, Any]) -> tuple[str, ...]:
    owners = {built_in_owner(name) for name in value if name not in _FIELDS}
    return tuple(sorted(owners - {""}))


def _owner(field_name: str) -> tuple[str, str]:
    """Which accelerator a field belongs to, and as which parameter."""
    accelerator, dot, parameter = field_name.rpartition(".")
    return (accelerator, parameter) if dot else (built_in_owner(field_name), field_name)


def _stored_name(accelerator: str, parameter: str) -> str:
    """Built-in parameters stand alone; those of foreign plugins carry their accelerator."""
    if built_in_owner(parameter) == accelerator and parameter not in _FIELDS:
        return parameter
    return f"{accelerator}.{parameter}"


def _unwrapped(value: Any) -> Any:
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value


def _number(key: EntryKey, value: Mapping[str, Any], name: str) -> Any:
    number = _unwrapped(value.get(name))
    if number is None:
        return None
    if isinstance(number, str):
        try:
            number = float(number)
        except ValueError:
            raise InputError(f"{key}: {name}={number!r:.60} is no number") from None
        number = int(number) if number.is_integer() else number
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise InputError(f"{key}: {name}={number!r:.60} is no number")
    if not abs(number) <= _GREATEST:  # not a number included
        raise InputError(f"{key}: {name}={number!s:.60} is not finite")
    return number


def _plain(value: Any) -> Any:
    """`value` as JSON holds it: tuples as lists, and nothing that is not finite."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
