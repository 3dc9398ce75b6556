"""What a worker tells its coordinator: one JSON line an event."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from accel_opt.core.config import Config
from accel_opt.core.events import Event, Notice, SearchStarted, TrialFinished
from accel_opt.core.measurement import Best, Interval
from accel_opt.search.strategies import Ending

_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Notice, SearchStarted, TrialFinished)
}


def line_of(event: Event) -> str | None:
    """An event as a line; None for what only the worker itself has a use for."""
    if type(event).__name__ not in _KINDS:
        return None
    data = {field.name: _plain(getattr(event, field.name)) for field in fields(event)}
    return json.dumps({"event": type(event).__name__, **data})


def last_line(ending: Ending | None, refused: str = "") -> str:
    """How a worker ends: for a reason, or refused."""
    if ending is None:
        return json.dumps({"refused": refused})
    return json.dumps({"ended": ending.code, "text": ending.text})


def read(line: str) -> Event | Ending | str | None:
    """What a line says: an event, an ending, why a worker is refused; None for anything else."""
    try:
        data: dict[str, Any] = json.loads(line)
        if "ended" in data:
            return Ending(data["ended"], data["text"])
        if "refused" in data:
            return str(data["refused"])
        kind = _KINDS[data.pop("event")]
        for name in ("config", "best"):
            if data.get(name) is not None:
                data[name] = Config(data[name]) if name == "config" else unpack_best(data[name])
        return kind(**data)
    except (ValueError, KeyError, TypeError, AttributeError):
        # Half a line of a worker that was killed.
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return value.to_dict()
    if isinstance(value, Best):
        return pack_best(value)
    return value


def pack_best(best: Best) -> dict[str, Any]:
    """A setting as plain values."""
    return asdict(best) | {"config": best.config.to_dict()}


def unpack_best(data: dict[str, Any]) -> Best:
    """The setting that `pack_best` took apart."""
    for name in ("speedup", "score_loss", "found_speedup", "found_score_loss"):
        data[name] = Interval(**data[name]) if data[name] is not None else None
    data["losses"] = {name: Interval(**interval) for name, interval in data["losses"].items()}
    return Best(**data | {"config": Config(data["config"])})
