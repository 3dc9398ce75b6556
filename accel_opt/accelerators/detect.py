"""What is at work on a live pipeline that somebody else has set up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from accel_opt.accelerators.model import denoiser_of

_LAYERS = 400  # functions within functions; a hook on each module would be no chain


@dataclass(frozen=True)
class Call:
    """A call that was made of a pipeline.

    Attributes:
        method: "__call__", or the name of the method that a package has added.
        module: Module that the method comes from.
        arguments: What was passed to it, its defaults filled in.
    """

    method: str = "__call__"
    module: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


def forward_of(module: Any) -> Any:
    """What stands in the place of a module's own `forward`, or None."""
    return None if module is None else vars(module).get("forward")


def behind(function: Any) -> Iterator[Any]:
    """A replaced function, and what lies in the closures of it and of those below it.

    Functions come outermost first, the objects that they hold after them.
    """
    waiting, seen = [function], set[int]()
    while waiting and len(seen) < _LAYERS:
        value = waiting.pop(0)
        if value is None or id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, MethodType):
            waiting.append(value.__func__)
        elif isinstance(value, partial):
            waiting.append(value.func)
        elif isinstance(value, FunctionType):
            waiting += [cell.cell_contents for cell in value.__closure__ or () if _full(cell)]
        elif type(value).__module__.partition(".")[0] not in ("builtins", "torch"):
            # Packages keep what they have replaced in tables of their own.
            tables = [v for v in getattr(value, "__dict__", {}).values() if type(v) is dict]
            waiting += [v for table in tables for v in table.values() if callable(v)]


def noted(pipe: Any) -> dict[str, dict[str, Any]]:
    """Parameters of our own hooks on a pipeline, by the name of their class.

    Programs carry the source of `LiveRun` with them, so that it is known by name.
    """
    found: dict[str, dict[str, Any]] = {}
    for value in behind(forward_of(denoiser_of(pipe))):
        if type(value).__name__ == "LiveRun":
            found |= getattr(value, "active", {})
    return found


def _full(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - an empty cell raises
    except ValueError:
        return False
    return True
