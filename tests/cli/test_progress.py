"""Progress: a live view on a terminal, whole plain lines elsewhere, at every size."""

from __future__ import annotations

import io
import itertools
import math
import re
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.text import Text

from accel_opt.cli.live import LiveView
from accel_opt.cli.progress import Progress
from accel_opt.cli.reflow import ReflowingLive
from accel_opt.cli.scatter import Dot, scatter
from accel_opt.core import events
from accel_opt.core.config import Config
from accel_opt.core.measurement import Best, Interval

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
HARMLESS = Config({"deepcache": {"cache_interval": 3, "cache_branch_id": 0}})
LONG = Config(
    {
        "deepcache": {"cache_interval": 3, "cache_branch_id": 0},
        "tgate": {"gate_step": 10, "sp_interval": 2, "fi_interval": 1, "warmup": 2},
        "tome": {"ratio": 0.5, "max_downsample": 2},
    }
)


def best(speedup=2.31, config=LONG):
    return Best(
        config=config,
        speedup=Interval(speedup, speedup - 0.03, speedup + 0.03, 4),
        score_loss=Interval(0.012, 0.008, 0.016, 32),
        losses={"clip": Interval(0.012, 0.008, 0.016, 32)},
        latency_s=0.1,
        baseline_latency_s=0.231,
        key=config.key,
        trial=3,
    )


def story():
    """A small search as its events."""
    yield events.Notice("baseline 0.231 s\nper prompt")
    yield events.SearchStarted(
        "demo", "sqlite:///study.db", 0, 6, 1_536_000, "gp", 60.0, {"clip": 0.02}
    )
    for number, (outcome, speedup, lost) in enumerate(
        [
            ("full", 1.4, 0.004),
            ("hopeless", 3.1, 0.09),
            ("full", 2.31, 0.012),
            ("failed", math.nan, None),
            ("full", 2.5, 0.03),
        ]
    ):
        yield events.TrialStarted(number, LONG)
        losses = {} if lost is None else {"clip": lost}
        if lost is not None:
            yield events.BatchDone(number, 8, 32, speedup, losses)
        found = best(1.4, HARMLESS) if number < 2 else best()
        yield events.TrialFinished(
            number,
            LONG if number else HARMLESS,
            outcome,
            speedup,
            losses,
            outcome == "full" and lost is not None and lost <= 0.02,
            found,
            number + 1,
            "out of memory at batch size 8" if outcome == "failed" else "measured",
        )
    yield events.ConfirmStarted(LONG, 1, 3, 64)
    yield events.ConfirmFinished(LONG, True, best())
    yield events.SearchFinished("6 evaluations, as asked", best(), 5)


def shown(width=100, height=30, *, terminal=True, environment=None, **options):
    file = io.StringIO()
    console = Console(
        file=file,
        width=width,
        height=height,
        force_terminal=terminal,
        _environ=environment or {"TERM": "xterm-256color"},
        color_system="standard" if terminal else None,
    )
    with Progress(console=console, **options) as progress:
        for event in story():
            progress(event)
    return file.getvalue()


def test_without_a_terminal_every_line_is_whole_and_plain():
    text = shown(width=40, terminal=False)
    lines = text.splitlines()
    assert not CONTROL.search(text)
    assert all(re.match(r"\[ +\d+ s\] ", line) for line in lines)
    assert len(lines) == 1 + 1 + 5 + 2 + 1
    assert "baseline 0.231 s per prompt" in lines[0]
    assert "out of memory" in text
    assert str(LONG) in text  # long settings are not broken over lines


def test_no_color_and_dumb_terminals_get_plain_lines(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    text = shown(environment={"TERM": "xterm", "NO_COLOR": "1"})
    assert not CONTROL.search(text)
    monkeypatch.delenv("NO_COLOR")
    assert not CONTROL.search(shown(environment={"TERM": "dumb"}))


def test_quiet_writes_plain_lines_of_what_changes_the_answer():
    for terminal in (True, False):
        text = shown(quiet=True, terminal=terminal)
        assert not CONTROL.search(text)
        kinds = [line.partition("] ")[2].split()[0] for line in text.splitlines()]
        assert kinds == ["ok", "ok", "confirmed:", "search"], text


def test_a_terminal_keeps_what_changes_the_answer():
    text = shown()
    kept = [line for line in text.splitlines() if re.search(r"\[ +\d+ s\]", line)]
    said = " ".join(kept)
    assert "ok" in said
    assert "failed" in said
    assert "hopeless" not in said  # the view counts it
    assert "confirmed: 2.31x" in said
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor comes back


def drawn(width, height, count=None, encoding="utf-8"):
    view = LiveView()
    for place, event in enumerate(story()):
        if count is not None and place >= count:
            break
        view.take(event)
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding=encoding), width=width, height=height)
    console.print(view)
    console.file.flush()
    return raw.getvalue().decode(encoding)


def test_the_view_says_what_matters():
    text = drawn(110, 30, 16)
    assert "5 done of 6, 1 stopped early, 1 failed" in text
    assert "prompts/s" in text or "left" in text
    assert "best 2.31x at +1.20 %" in text
    assert "tgate: fi_interval=1, gate_step=10" in text
    assert "★" in text
    assert "limit" in text


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 9, 15, 20])
@pytest.mark.parametrize(("width", "height"), [(200, 60), (100, 24), (72, 16), (50, 40), (20, 5)])
def test_the_view_fits_every_size_at_every_moment(width, height, count):
    lines = drawn(width, height, count).splitlines()
    assert max(len(line) for line in lines) <= width
    assert len(lines) <= height


def test_a_terminal_without_unicode_gets_ascii():
    plot = scatter([Dot(1.5, 0.5, "best"), Dot(2.5, 9.0, "stopped")], 40, 8, unicode=False)
    text = "\n".join(line.plain for line in plot)
    assert text.isascii()
    assert "*" in text
    assert "." in text


def test_the_scatter_puts_harsh_settings_up_and_fast_ones_right():
    dots = [Dot(1.2, 0.1, "feasible"), Dot(3.0, 2.0, "infeasible"), Dot(math.nan, 1.0, "stopped")]
    lines = [line.plain for line in scatter(dots, 60, 10)]
    up = next(i for i, line in enumerate(lines) if "○" in line)
    down = next(i for i, line in enumerate(lines) if "●" in line)
    limit = next(i for i, line in enumerate(lines) if "limit" in line)
    assert up < limit < down
    assert lines[up].index("○") > lines[down].index("●")


def test_confirmation_counts_from_one_and_shows_how_far_it_is():
    view = LiveView()
    view.take(events.SearchStarted("demo", "", 0, 6, 1000, "gp", None, {"clip": 0.02}))
    view.take(events.ConfirmStarted(LONG, 1, 2, 64))
    assert view.phase == "confirming 1 of 2"
    view.take(events.ConfirmProgress(LONG, 16, 64))
    assert (view.share, view.now, view.items) == (0.25, "16 of 64 held-out prompts", 16)
    view.take(events.ConfirmProgress(LONG, 64, 64, again=3))
    assert "timing once more, batch 3" in view.now
    assert view.left() == ""  # what is left of the search says nothing now


def test_a_log_file_hears_of_long_trials_now_and_then(monkeypatch):
    from accel_opt.cli import progress as module

    file, clock = io.StringIO(), [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    progress = Progress(console=Console(file=file, width=60))
    for number in range(1, 41):
        clock[0] += 10.0
        progress(events.BatchDone(7, number, 40, 2.0, {"clip": 0.01}))
    progress(events.ConfirmProgress(LONG, 8, 64))
    clock[0] += 100.0
    progress(events.ConfirmProgress(LONG, 16, 64))
    lines = file.getvalue().splitlines()
    assert len(lines) == 7
    assert "trial 7: 6 of 40 prompts, 2.00x clip +1.0 %" in lines[0]
    assert "confirming: 16 of 64 held-out prompts" in lines[-1]


def test_a_narrower_window_leaves_nothing_behind():
    """A terminal wraps what stands there: one has to go up by more lines than one wrote."""
    file = io.StringIO()
    console = Console(file=file, width=100, height=30, force_terminal=True, color_system=None)
    lines = Text("\n").join([Text("x" * 90), Text("y" * 10 + " " * 70), Text("z" * 61)])
    with ReflowingLive(lines, console=console, auto_refresh=False) as live:
        live.refresh()
        file.truncate(0)
        live.refresh()
        assert file.getvalue().count("\x1b[1A") == 2
        console.width = 60
        file.truncate(0)
        live.refresh()
        # 90 cells take two lines of 60, 61 do so as well; blanks at an end take nothing.
        assert file.getvalue().count("\x1b[1A") == 4


@pytest.mark.parametrize(("width", "height"), [(100, 24), (72, 16), (40, 5)])
def test_a_grid_shows_how_far_it_is(width, height):
    file = io.StringIO()
    environment = {"TERM": "xterm-256color", "COLUMNS": str(width), "LINES": str(height)}
    console = Console(
        file=file, width=width, height=height, force_terminal=True, _environ=environment
    )
    with Progress(console=console) as progress:
        progress.cell(SimpleNamespace(name="SD1.5-DDIMScheduler-50-tome"), 3, 12)
        for event in itertools.islice(story(), 6):
            progress(event)
        view = io.StringIO()
        Console(file=view, width=width, height=height).print(progress._view)
    assert "search 3 of 12: SD1.5-DDIMScheduler-50-tome" in file.getvalue().replace("\n", "")
    shown = view.getvalue().splitlines()
    assert "search 3 of 12" in shown[0] or shown[0].startswith("3/12: ")
    assert len(shown) <= height
    assert max(map(len, shown)) <= width
