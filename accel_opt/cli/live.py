"""What the live view of a search shows, from its events; drawn anew for every size."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from accel_opt.cli.output import clean
from accel_opt.cli.scatter import Dot, scatter
from accel_opt.core import events
from accel_opt.core.measurement import Best

_NARROW, _LOW = 72, 16


@dataclass
class LiveView:
    """A renderable; `take` keeps it up to date.

    Attributes:
        limits: Greatest loss allowed by metric, where the events told.
        cell: Of a grid, the search that runs: its place from 1, how many there are, its name.
    """

    heading: str = "starting"
    phase: str = ""
    done: int = 0
    stopped: int = 0
    failed: int = 0
    total: int | None = None
    timeout_s: float | None = None
    items: int = 0
    best: Best | None = None
    now: str = ""
    share: float = 0.0
    dots: list[Dot] = field(default_factory=list)
    limits: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    look_started: float = field(default_factory=time.monotonic)
    had: int = 0
    cell: tuple[int, int, str] | None = None
    _seen_items: int = 0

    def take(self, event: events.Event) -> None:
        """Takes an event in."""
        match event:
            case events.SearchStarted():
                self._begin(event)
            case events.TrialStarted():
                self.now, self.share, self._seen_items = f"trial {event.number}", 0.0, 0
            case events.BatchDone():
                self.items += event.items_done - self._seen_items
                self._seen_items = event.items_done
                self.share = event.items_done / max(event.items_total, 1)
                numbers = ", ".join(f"{n} {100 * v:+.1f} %" for n, v in event.losses.items())
                self.now = f"trial {event.number}: {event.speedup:.2f}x, {numbers}"
            case events.TrialFinished():
                self._finish(event)
            case events.ConfirmStarted():
                self.phase = f"confirming {event.rank} of {event.n_candidates}"
                self.now, self.share = f"{event.n_items} held-out prompts", 0.0
                self._seen_items, self.look_started = 0, time.monotonic()
            case events.ConfirmProgress():
                self._confirm(event)
            case events.ConfirmFinished():
                self.now = "confirmed" if event.confirmed else "not confirmed"
            case events.SearchFinished():
                self.phase, self.now = "search over", ""
            case _:
                pass

    def _begin(self, event: events.SearchStarted) -> None:
        self.heading = f"{event.study} · {event.space_size:,} settings · {event.strategy}"
        self.phase, self.done, self.had = "searching", event.trials_done, event.trials_done
        self.total = event.trials_total
        self.timeout_s, self.limits = event.timeout_s, dict(event.limits)
        self.stopped = self.failed = self.items = 0
        self.best, self.dots = None, []
        self.started = self.look_started = time.monotonic()

    def _finish(self, event: events.TrialFinished) -> None:
        self.done, self.best = event.trials_done, event.best
        self.failed += event.outcome == "failed"
        self.stopped += event.outcome not in ("full", "failed")
        kind = "feasible" if event.feasible else "infeasible"
        if event.outcome != "full":
            kind = "stopped"
        for metric, lost in list(event.losses.items())[:1]:
            share = lost / (self.limits.get(metric) or 0.02)
            self.dots.append(Dot(event.speedup, share, kind))

    def _confirm(self, event: events.ConfirmProgress) -> None:
        self.share = event.done / max(event.total, 1)
        self.items += max(event.done - self._seen_items, 0)
        self._seen_items = event.done
        self.now = f"{event.done} of {event.total} held-out prompts"
        if event.again:
            self.now += f"; timing once more, batch {event.again}"

    def left(self) -> str:
        """How much is left, in words; empty while nobody can know."""
        if self.phase.startswith("confirming") and 0.1 < self.share < 1:
            spent = time.monotonic() - self.look_started
            return f"about {_duration(spent * (1 - self.share) / self.share)} left of this look"
        if self.phase != "searching":
            return ""
        spent, mine = time.monotonic() - self.started, self.done - self.had
        if self.timeout_s is not None:
            return f"at most {_duration(max(self.timeout_s - spent, 0))} left"
        if self.total is None or mine < 2:
            return ""
        return f"about {_duration(spent / mine * max(self.total - self.done, 0))} left"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draws as much as there is room for."""
        height = options.height or console.size.height
        width = options.max_width
        counts = self._counts()
        if width < _NARROW or height < _LOW:
            cell = f"{self.cell[0]}/{self.cell[1]}: " if self.cell else ""
            yield _cut(f"{cell}{counts} {self._best_line()} {self.now}", width)
            return
        if self.cell is not None:
            yield self._grid_bar(width)
        yield _cut(self.heading, width, "bold")
        yield from self._bar(width)
        unicode = console.encoding.lower().startswith("utf")
        room = min(width // 2, 52)
        plot = scatter(self._dots(), room, 9, unicode=unicode)
        table = Table.grid(padding=(0, 2))
        table.add_row(Text("\n").join(plot), Text("\n").join(self._facts(width - room - 4)))
        yield table

    def _dots(self) -> list[Dot]:
        if self.best is None:
            return self.dots
        metric = next(iter(self.best.losses), "")
        share = self.best.score_loss.value / (self.limits.get(metric) or 0.02)
        return [*self.dots, Dot(self.best.speedup.value, share, "best")]

    def _counts(self) -> str:
        text = f"{self.done} done" + (f" of {self.total}" if self.total is not None else "")
        extra = [(self.stopped, "stopped early"), (self.failed, "failed")]
        return ", ".join([text, *(f"{n} {word}" for n, word in extra if n)])

    def _bar(self, width: int) -> Iterator[Table]:
        spent = time.monotonic() - self.started
        rate = self.items / spent if spent > 1 else 0.0
        words = [self.phase, self._counts(), f"{rate:.1f} prompts/s" if rate else "", self.left()]
        line = Table.grid(padding=(0, 1))
        if self.phase != "searching":
            bar = ProgressBar(total=1, completed=self.share, width=20)
        elif self.total:
            part = min(self.done + self.share, self.total)
            bar = ProgressBar(total=self.total, completed=part, width=20)
        elif self.timeout_s:
            bar = ProgressBar(total=self.timeout_s, completed=min(spent, self.timeout_s), width=20)
        else:
            bar = ProgressBar(total=1, completed=self.share, width=20)
        line.add_row(bar, _cut(" · ".join(word for word in words if word), width - 22))
        yield line

    def _grid_bar(self, width: int) -> Table:
        place, total, name = self.cell or (0, 0, "")
        line = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=total, completed=place - 1, width=20)
        line.add_row(bar, _cut(f"search {place} of {total} · {name}", width - 22))
        return line

    def _best_line(self) -> str:
        if self.best is None:
            return "no feasible setting yet"
        return f"best {self.best.speedup.value:.2f}x at {100 * self.best.score_loss.value:+.2f} %"

    def _facts(self, width: int) -> Iterator[Text]:
        yield _cut(self._best_line(), width, "bold green" if self.best else "dim")
        if self.best is not None:
            speed, lost = self.best.speedup, self.best.score_loss
            yield _cut(f"speedup {_range(speed.low, speed.high, 1)}", width, "dim")
            yield _cut(f"loss {_range(lost.low, lost.high, 100)} %", width, "dim")
            for name, parameters in self.best.config.items():
                text = ", ".join(f"{p}={v}" for p, v in parameters.items())
                yield _cut(f"{name}: {text}", width)
        yield Text("")
        yield _cut(self.now, width, "dim")


def _cut(text: str, width: int, style: str = "") -> Text:
    line = Text(clean(text).replace("\n", " "), style, no_wrap=True, overflow="ellipsis")
    line.truncate(max(width, 8), overflow="ellipsis")
    return line


def _range(low: float, high: float, scale: float) -> str:
    if not (math.isfinite(low) and math.isfinite(high)):
        return "not known yet"
    return f"{scale * low:.2f} .. {scale * high:.2f}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
