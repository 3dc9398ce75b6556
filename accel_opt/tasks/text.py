"""Reading task texts, in English and with Chinese steps, the parts in any order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from accel_opt.core.dims import Number
from accel_opt.core.errors import InputError, UnknownNameError
from accel_opt.pipelines.catalogue import MODELS
from accel_opt.pipelines.schedulers import NICKNAMES
from accel_opt.tasks.names import SPELLINGS, find_model_name, find_sampler, named_accelerators
from accel_opt.tasks.task import OPEN, Task

_EXAMPLE = (
    "Generate a SD1.5 pipeline using the DDIM sampler with 50 steps, accelerated by DeepCache "
    "with 3.04x speedup and precision loss not exceeding 0.02"
)
_LONGEST = 2000
_TIMES = r"((?>[0-9]+(?:\.[0-9]*)?)|\{\})\s*[x\u00d7]"
_SPEEDUP = (
    re.compile(rf"{_TIMES}\s*speed-?up", re.IGNORECASE),
    re.compile(rf"speed-?up\s*(?:of|=|:|>=)?\s*{_TIMES}", re.IGNORECASE),
)
_STEPS = (
    re.compile(r"(?<![0-9.])([0-9]{1,9})\s*\u6b65"),
    re.compile(r"(?<![0-9.])([0-9]{1,9})[ -]?steps?(?![A-Za-z0-9])", re.IGNORECASE),
)
# The number after the words, unless it counts steps or speed.
_LOSS = re.compile(
    r"(?:precision|score|quality)\s+loss[^0-9]*?"
    r"((?>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?>e-?[0-9]{1,3})?)"
    r"(?!\s*(?:x\s*speed|\u00d7|-?steps?\b|\u6b65))\s*(%)?",
    re.IGNORECASE,
)
# What follows a list of accelerators, or the name of a platform.
_END = (
    r"(?=\s+(?:with|to|at|under|using|from|in|achieving|as)\s|\s+(?:for|on)\s"
    r"|,?\s+and\s+(?:achiev|precision|with\s)|,\s*(?:achiev|with\s|using\s|precision|for\s)"
    r"|,\s*(?:and\s+)?(?:[0-9{]|(?:the\s+)?(?:an?|at|as|pipe\w*|model|sampler|scheduler|steps?"
    r"|speed-?up|score|quality|generate|take)(?![\w-]))"
    r"|[;()]|\.(?:\s|$)|$)"
)
_ACCELERATED_BY = re.compile(
    rf"accelerated\s+(?:by|with(?!\s*{_TIMES}))\s+(?:the\s+)?(.+?){_END}", re.IGNORECASE
)
# Up to six words, none of which says something else: "NVIDIA GPUs", "an RTX 4090".
_WORD = (
    r"(?!(?:an?|the|and|or|as|by|for|on|with|at|to|in|of|from|using|under|accelerated|achiev\w*|pipe\w*"
    r"|model|sampler|scheduler|steps?|speed-?up|precision|score|quality|loss|baseline)(?![\w-]))"
    r"(?![0-9.]+[x\u00d7%]|\{)[A-Za-z0-9][A-Za-z0-9_+/-]*(?:\.[A-Za-z0-9]+)*"
)
_PLATFORM = re.compile(
    rf"accelerated\s+(?:(?:by|with)\s+[^;()]+?\s+)?for\s+(?:(?:the|an?)\s+)?"
    rf"({_WORD}(?:\s{_WORD}){{0,5}}){_END}",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Parts:
    """What was found in a text; None (or nothing) where it says nothing."""

    model: str | None = None
    sampler: str | None = None
    steps: int | None = None
    accelerators: tuple[str, ...] = ()
    speedup: Number | Literal["{}"] | None = None
    precision_loss: float | None = None
    platform: str = ""

    def __bool__(self) -> bool:
        return self != Parts()


def parse(text: str) -> Task:
    """The task that a text describes; what it does not say takes its default.

    Raises:
        InputError: Nothing is recognised, or a number makes no sense.
        UnknownNameError: It names a model, sampler or accelerator that does not exist.
    """
    parts = recognise(text)
    if not parts:
        raise InputError(
            f"no task in {text[:80]!r}: looked for a model ({', '.join(MODELS)}), a sampler "
            f"({', '.join(list(NICKNAMES)[:3])}, ...), '50 steps', accelerators "
            f"({', '.join(SPELLINGS.values())}), '2.5x speedup' and 'precision loss not exceeding "
            f"0.02'. For example: {_EXAMPLE}"
        )
    is_baseline = re.search(r"\bas\s+(?:the|a)\s+baseline\b", text, re.IGNORECASE)
    defaults = Task()
    return Task(
        model=parts.model or defaults.model,
        sampler=parts.sampler or defaults.sampler,
        steps=defaults.steps if parts.steps is None else parts.steps,
        accelerators=parts.accelerators,
        speedup=parts.speedup,
        precision_loss=parts.precision_loss,
        platform=parts.platform,
        form="baseline" if is_baseline else "generate",
    )


def recognise(text: str, *, strict: bool = True) -> Parts:
    """What a text says, without defaults.

    Args:
        text: A task text or the name of a program written for one.
        strict: Refuse models that do not exist; else they are taken as they stand.

    Raises:
        UnknownNameError: A name that does not exist.
    """
    if len(text) > _LONGEST:
        raise InputError(f"{text[:60]!r}... is no task text: longer than {_LONGEST} characters")
    text = " ".join(text.split())
    # Each name found is cut out: a hub id may hold any other word.
    model, rest = find_model_name(text, strict=strict)
    sampler, rest = find_sampler(rest)
    platform = _PLATFORM.search(rest)
    return Parts(
        model=model,
        sampler=sampler,
        steps=_steps(rest),
        accelerators=_accelerators(rest),
        speedup=_speedup(rest),
        precision_loss=_loss(rest),
        platform=platform.group(1).strip() if platform else "",
    )


def _accelerators(text: str) -> tuple[str, ...]:
    listed = _ACCELERATED_BY.search(text)
    if not listed:
        return named_accelerators(text, SPELLINGS)
    found: set[str] = set()
    for part in re.split(r"\s*(?:,|&|\+|\band\b)\s*", listed.group(2)):
        if not part:
            continue
        names = named_accelerators(part)
        if not names:
            from accel_opt.accelerators import registry

            known = [SPELLINGS.get(name, name) for name in registry.names()]
            raise UnknownNameError("accelerator", part, known)
        found.update(names)
    return tuple(sorted(found))


def _steps(text: str) -> int | None:
    matches = (pattern.search(text) for pattern in _STEPS)
    return next((int(match.group(1)) for match in matches if match), None)


def _speedup(text: str) -> Number | Literal["{}"] | None:
    for pattern in _SPEEDUP:
        match = pattern.search(text)
        if match:
            number = match.group(1)
            if number == OPEN:
                return OPEN
            return float(number) if "." in number else int(number[:300])
    return None


def _loss(text: str) -> float | None:
    match = _LOSS.search(text)
    if not match:
        return None
    number = float(match.group(1))
    # Rounded: 2.3 / 100 is 0.022999999999999996, and thresholds of keys are compared exactly.
    return round(number / 100, 12) if match.group(2) else number
