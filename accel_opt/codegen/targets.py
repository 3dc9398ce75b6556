"""Difficulty targets of a task, and the files its programs are written to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from accel_opt.codegen.generate import Style, generate_code
from accel_opt.results import Entry, Found

Difficulty = Literal["easy", "medium", "hard"]
PLACE = "{}"
_STEP = 0.5
_LONGEST_NAME = 240


@dataclass(frozen=True)
class Program:
    """A generated program.

    Attributes:
        file_name: Where it belongs, within a folder.
        source: Its text.
        target: Speedup that it is to reach; None when its task names none.
        difficulty: Which of the three it is; None for a task with a number of its own.
    """

    file_name: str
    source: str
    target: float | None = None
    difficulty: Difficulty | None = None


def difficulty_targets(found: float) -> dict[Difficulty, float]:
    """Targets from a found speedup: 0.9, 1.0 and 1.1 times it, in half steps, all different.

    Where rounding makes two equal, medium stays, easy goes down and hard goes up. Nothing goes
    below 1.0: there the others go up.
    """
    easy, medium, hard = (round(found * share / _STEP) * _STEP for share in (0.9, 1.0, 1.1))
    if easy >= medium:
        easy = medium - _STEP
    easy = max(easy, 1.0)
    medium = max(medium, easy + _STEP)
    return {"easy": easy, "medium": medium, "hard": max(hard, medium + _STEP)}


def program_file_name(task: str, speedup: float | None = None) -> str:
    """The file name of a task's program.

    Args:
        task: Task text; `{}` in it is the place for the speedup.
        speedup: Printed there, as `3.0`.
    """
    text = task if speedup is None else task.replace(PLACE, str(float(speedup)))
    # What no file system takes, or what would lead out of the folder.
    name = re.sub(r"[/\\\x00-\x1f\x7f]", "_", text).strip().lstrip(".") or "program"
    while len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        name = name[:-1]
    return f"{name.rstrip()}.py"


def programs_for(
    task: str,
    entry: Entry | Found,
    target: float | None = None,
    style: Style = "standalone",
    **options: Any,
) -> list[Program]:
    """The programs that answer a task: three where its text has a `{}`, else one.

    Args:
        task: Task text.
        entry: The entry that answers it; the config's upper bound for a text with `{}`.
        target: Speedup that the text names, if it names one.
        style: See `generate_code`.
        options: Fields of `ProgramOptions`.
    """
    if PLACE not in task:
        source = generate_code(entry, style, target=target, task=task, **options)
        return [Program(program_file_name(task), source, target)]
    found = entry.entry.speedup if isinstance(entry, Found) else entry.speedup
    programs = []
    for difficulty, speedup in difficulty_targets(found).items():
        text = task.replace(PLACE, str(speedup))
        source = generate_code(entry, style, target=speedup, task=text, **options)
        programs.append(Program(program_file_name(task, speedup), source, speedup, difficulty))
    return programs
