"""Under which conditions an entry was measured, and whether two are comparable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accel_opt.core.measurement import Best, Interval

# Speedups measured under unlike values of these do not compare. Everything else in a
# provenance (intervals, dates, versions) describes the measurement, not its conditions.
CONDITIONS = (
    "dtype",
    "resolution",
    "batch_size",
    "guidance_scale",
    "negative_prompt",
    "device",
    "weights",
    "metric",
    "scorer",
)

# Seconds per prompt that were asked for: the only place of a file that can hold them.
REQUIRED_LATENCY = "required_latency_s"


def provenance_of(best: Best, conditions: Mapping[str, Any]) -> dict[str, Any]:
    """What an entry's `provenance` field holds.

    Args:
        best: The measurement.
        conditions: dtype, resolution, batch_size, guidance_scale, device, metric, scorer, and
            whatever else is worth keeping; plain JSON values.
    """
    record = dict(conditions)
    record["speedup_interval"] = _interval(best.speedup)
    record["score_loss_interval"] = _interval(best.score_loss)
    record["confirmed"] = best.confirmed
    return record


def same_conditions(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Whether two entries' numbers compare. An entry without provenance equals no other."""
    if one is None or other is None:
        return one is other
    return all(one.get(name) == other.get(name) for name in CONDITIONS)


def differences(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> list[str]:
    """The conditions that differ, each as `name: one's, other's`."""
    if one is None or other is None:
        return ["it does not say under which conditions it was measured"] if one is None else []
    return [
        f"{name}: {one.get(name)!r} there, {other.get(name)!r} here"
        for name in CONDITIONS
        if one.get(name) != other.get(name)
    ]


def confirmed(provenance: Mapping[str, Any] | None) -> bool:
    """Whether the entry was confirmed on held-out prompts and other seeds."""
    return bool(provenance and provenance.get("confirmed") is True)


def _interval(interval: Interval) -> dict[str, float | int]:
    return {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "n": interval.n,
    }
