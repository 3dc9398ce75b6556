"""What judging tells while it goes on; only the command line draws it."""

from __future__ import annotations

from dataclasses import dataclass

from accel_opt.core.events import Event
from accel_opt.judge.model import Outcome, Task


@dataclass(frozen=True)
class JudgingStarted(Event):
    """A run begins.

    Attributes:
        total: Tasks in the files.
        to_do: Tasks without a result yet.
        sandbox: Level in force.
        warning: What the level does not hold; "" when it isolates.
    """

    total: int
    to_do: int
    sandbox: str
    warning: str = ""


@dataclass(frozen=True)
class TaskStarted(Event):
    """A program is being judged."""

    task: Task


@dataclass(frozen=True)
class TaskStage(Event):
    """What is being done with a program: "loading", "measuring", ..., and how far it is."""

    task: Task
    stage: str
    done: int = 0
    of: int = 0


@dataclass(frozen=True)
class TaskFinished(Event):
    """A result is known and written.

    Attributes:
        task: The task.
        outcome: Its outcome.
        done: Results so far, those of earlier runs included.
        passed: How many of them passed.
        total: Tasks in the files.
    """

    task: Task
    outcome: Outcome
    done: int
    passed: int
    total: int
