"""Draws the events of judging on stderr, a line each."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from accel_opt.cli import interrupts
from accel_opt.cli.output import clean, messages
from accel_opt.core import events
from accel_opt.judge.events import JudgingStarted, TaskFinished, TaskStage

_WORDS = 200


class JudgeProgress:
    """An `on_event` that a person can follow.

    Args:
        out: The file of results, named at the start.
        quiet: Say nothing but warnings.
        console: Where to draw; stderr by default.
    """

    def __init__(self, out: Path, *, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or messages()
        self._out = out
        self._quiet = quiet
        self._stages = self._console.is_terminal

    def __call__(self, event: events.Event) -> None:
        """Draws one event."""
        interrupts.check()
        if isinstance(event, JudgingStarted):
            self._started(event)
        elif isinstance(event, events.Notice):
            self._say(event.text)
        elif isinstance(event, TaskStage) and self._stages:
            part = f" {event.done} of {event.of}" if event.of else ""
            self._say(f"  {event.task.prompt_id}: {event.stage}{part}")
        elif isinstance(event, TaskFinished):
            self._finished(event)

    def _started(self, event: JudgingStarted) -> None:
        self._say(
            f"{event.total} tasks, {event.to_do} to judge; sandbox: {event.sandbox}; "
            f"results: {self._out}"
        )
        if event.warning:
            self._console.print(f"warning: {event.warning}", markup=False)

    def _finished(self, event: TaskFinished) -> None:
        found = event.outcome
        words = "passed" if found.reason is None else found.reason.value
        if found.speedup is not None and found.loss is not None:
            words += f", {found.speedup:.2f}x, loss {100 * found.loss:+.2f} %"
        if found.error:
            words += f": {' '.join(found.error.split())[:_WORDS]}"
        rate = f"{event.passed} of {event.done} passed ({100 * event.passed / event.done:.0f} %)"
        self._say(f"{event.done}/{event.total} {event.task.prompt_id}: {words} | {rate}")

    def _say(self, text: str) -> None:
        if not self._quiet:
            self._console.print(clean(text), markup=False)
