"""Keys of search_params.json: Python tuples as text, in all three forms that exist.

```
('SD1.5', 'DDIMScheduler', '50', 'upbound_speedup', 0.02)                 upper bound
('SD1.5', 'DDIMScheduler', '50', 3.04, 0.02)                              a required speedup
('SD1.5', 'DDIMScheduler', '50', None, 0.02, ['deepcache', 'tome'])       with its targets
```
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from accel_opt.core.dims import Number
from accel_opt.core.errors import InputError

UPPER_BOUND = "upbound_speedup"
_FORMS = (
    "('SD1.5', 'DDIMScheduler', '50', 'upbound_speedup', 0.02) or "
    "('SD1.5', 'DDIMScheduler', '50', None, 0.02, ['deepcache', 'tome'])"
)
_LONGEST = 10_000


@dataclass(frozen=True)
class EntryKey:
    """What was asked of a search, as the file's keys say it.

    Attributes:
        model: Model name.
        scheduler: Scheduler class name.
        steps: Number of steps; text in the file.
        speedup: Required or achieved speedup; None for the upper bound.
        max_score_loss: Allowed score loss, a fraction.
        targets: Accelerators searched together, sorted; None in five-field keys.
    """

    model: str
    scheduler: str
    steps: int
    speedup: Number | None = None
    max_score_loss: float = 0.02
    targets: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.targets is not None:
            object.__setattr__(self, "targets", tuple(sorted(set(self.targets))))

    def __str__(self) -> str:
        """The key as the file holds it, to the letter."""
        head = (self.model, self.scheduler, str(self.steps))
        if self.targets is None:
            wanted = UPPER_BOUND if self.speedup is None else self.speedup
            return str((*head, wanted, self.max_score_loss))
        return str((*head, self.speedup, self.max_score_loss, list(self.targets)))

    @property
    def config(self) -> tuple[str, str, int]:
        """Model, scheduler, steps: the pipeline config."""
        return (self.model, self.scheduler, self.steps)

    def at(self, speedup: Number | None) -> EntryKey:
        """The same key with another speedup."""
        return replace(self, speedup=speedup)

    def over(self, targets: Iterable[str] | None) -> EntryKey:
        """The same key with other targets; None gives the five-field form."""
        return replace(self, targets=None if targets is None else tuple(targets))


def parse_key(text: str) -> EntryKey:
    """Reads a key of any form; never evaluates it.

    Args:
        text: A key of the file. Quoted numbers (`'3.04'`) read as numbers.

    Raises:
        InputError: It is no such key.
    """
    if len(text) > _LONGEST:
        raise _no_key(text, f"longer than {_LONGEST} characters")
    try:
        fields = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise _no_key(text, "no tuple of plain values") from None
    if not isinstance(fields, tuple | list) or len(fields) not in (5, 6):
        raise _no_key(text, "five or six fields are expected")
    model, scheduler, steps, speedup, loss = fields[:5]
    for name, value in (("model", model), ("scheduler", scheduler)):
        if not isinstance(value, str) or not value:
            raise _no_key(text, f"the {name} {value!r} is no name")
    limit = _number(loss)
    if limit is None or limit < 0:
        raise _no_key(text, f"the score loss {loss!r} is no fraction")
    return EntryKey(
        model=model,
        scheduler=scheduler,
        steps=_steps(text, steps),
        speedup=_speedup(text, speedup),
        max_score_loss=limit,
        targets=_targets(text, fields[5]) if len(fields) == 6 else None,
    )


def _steps(text: str, value: Any) -> int:
    number = _number(value)
    if number is None or number != int(number) or number < 1:
        raise _no_key(text, f"the steps {value!r} are no whole number above 0")
    return int(number)


def _speedup(text: str, value: Any) -> Number | None:
    if value is None or (isinstance(value, str) and value in (UPPER_BOUND, "None")):
        return None
    number = _number(value)
    if number is None or number <= 0:
        raise _no_key(text, f"the speedup {value!r} is neither a number, None nor {UPPER_BOUND!r}")
    return number


def _targets(text: str, value: Any) -> tuple[str, ...]:
    names = target_names(value)
    if not names:
        raise _no_key(text, f"the targets {value!r} are no list of names")
    return names


def target_names(value: Any) -> tuple[str, ...]:
    """Accelerator names from a list, a comma-separated text, or a list around either.

    Returns:
        The names, sorted, each once; empty when `value` is nothing of the kind.
    """
    if isinstance(value, str):
        return tuple(sorted({part.strip() for part in value.split(",")} - {""}))
    if not isinstance(value, list | tuple):
        return ()
    found: set[str] = set()
    for part in value:
        names = target_names(part)
        if not names:
            return ()
        found.update(names)
    return tuple(sorted(found))


def _number(value: Any) -> Number | None:
    while isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]  # a fault of old writers, as in values
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= sys.float_info.max else None


def _no_key(text: str, why: str) -> InputError:
    return InputError(f"not a key of search_params.json: {text[:80]!r} ({why}); expected {_FORMS}")
