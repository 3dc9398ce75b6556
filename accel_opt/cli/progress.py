"""Draws a search's events on stderr: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import os
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console

from accel_opt.cli import interrupts
from accel_opt.cli.live import LiveView
from accel_opt.cli.output import clean, messages
from accel_opt.cli.reflow import ReflowingLive
from accel_opt.core import events
from accel_opt.core.measurement import Best

_REFRESH_PER_S = 2
# In a log file, a trial or a confirmation that takes longer says how far it is.
_SILENCE_S = 60.0


class Progress:
    """An `on_event` that a person can follow; use it as a context manager.

    On a terminal a view at the bottom is drawn anew in place, and what is worth keeping scrolls
    by above it. Elsewhere, with NO_COLOR and on dumb terminals, every trial is one line, and
    nothing is ever drawn over.

    Args:
        quiet: Plain lines, and only those that change the answer: a better setting, a
            confirmation, the end.
        console: Where to draw; stderr by default.
    """

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self._console = console or messages()
        able = self._console.is_terminal and not self._console.is_dumb_terminal
        live = able and not quiet and "NO_COLOR" not in os.environ
        self._view = LiveView() if live else None
        self._live: ReflowingLive | None = None
        self._quiet = quiet
        self._started = self._said = time.monotonic()
        self._best: Best | None = None

    def __enter__(self) -> Self:
        if self._view is not None:
            self._live = ReflowingLive(
                self._view,
                console=self._console,
                refresh_per_second=_REFRESH_PER_S,
                transient=True,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, event: events.Event) -> None:
        """Draws one event."""
        interrupts.check()
        if self._view is not None:
            self._view.take(event)
        match event:
            case events.Notice():
                self._line(event.text)
            case events.SearchStarted():
                self._search_started(event)
            case events.TrialFinished():
                self._trial(event)
            case events.BatchDone() | events.ConfirmProgress():
                self._part(event)
            case events.ConfirmStarted():
                self._line(
                    f"confirming {event.rank} of {event.n_candidates} on "
                    f"{event.n_items} held-out prompts: {event.config}"
                )
            case events.ConfirmFinished():
                word = "confirmed" if event.confirmed else "not confirmed"
                self._line(f"{word}: {_numbers(event.best)} {event.reason}".rstrip(), tells=True)
            case events.SearchFinished():
                over = f"search over after {event.trials_done} evaluations: {event.why}"
                self._line(over, tells=True)

    def cell(self, cell: Any, place: int, total: int) -> None:
        """Draws the beginning of one search of a grid."""
        if self._view is not None:
            self._view.cell = (place, total, str(cell.name))
            self._view.heading, self._view.phase = "loading", ""
        self._line(f"search {place} of {total}: {cell.name}")

    def _search_started(self, event: events.SearchStarted) -> None:
        self._best = None
        goes_on = f", goes on after {event.trials_done} evaluations" if event.trials_done else ""
        self._line(
            f"study {event.study} in {event.storage}: {event.space_size:,} settings, "
            f"strategy {event.strategy}{goes_on}"
        )

    def _trial(self, event: events.TrialFinished) -> None:
        better = event.best is not None and (self._best is None or event.best.key != self._best.key)
        self._best = event.best
        if self._live is not None and not better and event.outcome != "failed":
            # The view counts and plots it; only what changes the answer scrolls by.
            return
        speed = "" if math.isnan(event.speedup) else f"{event.speedup:.2f}x"
        losses = _losses(event.losses)
        mark = "ok" if event.feasible else "--"
        best = f" | best {event.best.speedup.value:.2f}x" if event.best else ""
        why = f" ({event.reason})" if event.outcome == "failed" else ""
        self._line(
            f"{mark} {event.trials_done:>3} {speed:>7} {losses:<14} "
            f"{event.outcome:<10} {event.config}{why}{best}",
            tells=better,
        )

    def _part(self, event: events.BatchDone | events.ConfirmProgress) -> None:
        """How far a long trial or confirmation is; the live view shows it all the time."""
        if self._view is not None or time.monotonic() - self._said < _SILENCE_S:
            return
        if isinstance(event, events.ConfirmProgress):
            self._line(f"confirming: {event.done} of {event.total} held-out prompts")
            return
        part = f"{event.items_done} of {event.items_total} prompts"
        losses = _losses(event.losses)
        self._line(f"trial {event.number}: {part}, {event.speedup:.2f}x {losses}")

    def _line(self, text: str, *, tells: bool = False) -> None:
        if self._quiet and not tells:
            return
        self._said = time.monotonic()
        stamp = f"[{time.monotonic() - self._started:5.0f} s] "
        line = stamp + " ".join(clean(text).split("\n"))
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _losses(losses: dict[str, float]) -> str:
    return " ".join(f"{name} {100 * value:+.1f} %" for name, value in losses.items())


def _numbers(best: Best) -> str:
    return f"{best.speedup.value:.2f}x, score loss {100 * best.score_loss.value:+.2f} %"
