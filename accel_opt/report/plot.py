"""The plot of speed and loss as marks on two axes; drawn as SVG here, as PNG elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from accel_opt.core.measurement import Interval
from accel_opt.report.model import Baseline, StudyReport, Trial
from accel_opt.report.scale import bounds
from accel_opt.report.words import loss, times

Kind = Literal["stopped", "infeasible", "feasible", "front", "preset", "baseline", "winner"]
# Losses far beyond the limit tell no more than that they are: they are drawn at the edge.
_FAR = 3.0


@dataclass(frozen=True)
class Mark:
    """A point of the plot.

    Attributes:
        kind: Decides shape and colour.
        x: Speedup.
        y: Loss.
        text: What a pointer over it shows.
        trial: Number of the trial it belongs to.
        across: Interval of the speedup, drawn for the winner and the front.
        along: Interval of the loss.
        series: Kind of baseline; its points are joined.
    """

    kind: Kind
    x: float
    y: float
    text: str
    trial: int | None = None
    across: Interval | None = None
    along: Interval | None = None
    series: str = ""


@dataclass(frozen=True)
class Plot:
    """Marks with the part of the plane that is shown.

    Attributes:
        marks: What to draw, the least important first.
        x: Least and greatest speedup shown.
        y: Least and greatest loss shown.
        limit: Greatest loss allowed.
        relative: Whether losses are percentages.
        label: Name of the vertical axis.
    """

    marks: tuple[Mark, ...]
    x: tuple[float, float]
    y: tuple[float, float]
    limit: float
    relative: bool
    label: str


def plot_of(report: StudyReport) -> Plot | None:
    """The plot of a study; None when nothing was measured."""
    metric = report.limit.metric
    shown = [
        t for t in report.trials if metric in t.losses and _finite(t.speedup, t.losses[metric])
    ]
    if not shown:
        return None
    marks = [_trial(report, trial) for trial in shown]
    marks += [_baseline(report, b) for b in report.baselines if _finite(b.speedup, b.score_loss)]
    order = ("stopped", "infeasible", "baseline", "feasible", "preset", "front")
    marks.sort(key=lambda mark: order.index(mark.kind))
    if report.winner is not None:
        marks.append(_winner(report))
    ceiling = report.limit.limit + (_FAR - 1) * abs(report.limit.limit)
    floor = min(0.0, *(m.y for m in marks if m.kind != "stopped"))
    top = max(report.limit.limit * 1.3, *(min(m.y, ceiling) for m in marks))
    low, high = bounds([floor, top])
    fast, slow = max(m.x for m in marks), min(m.x for m in marks)
    label = f"{metric} loss" + (", %" if report.limit.relative else "")
    x = bounds([min(1.0, slow), fast])
    return Plot(tuple(marks), x, (low, high), report.limit.limit, report.limit.relative, label)


def _trial(report: StudyReport, trial: Trial) -> Mark:
    lost = trial.losses[report.limit.metric]
    kind: Kind = "feasible" if trial.feasible else "infeasible"
    if trial.outcome != "full":
        kind = "stopped"
    elif trial.front:
        kind = "front"
    elif trial.preset:
        kind = "preset"
    text = (
        f"trial {trial.number}: {trial.setting}: {times(trial.speedup.value)}, "
        f"{loss(lost.value, report.limit)}; {trial.reason}"
    )
    intervals = (trial.speedup, lost) if kind == "front" else (None, None)
    return Mark(kind, trial.speedup.value, lost.value, text, trial.number, *intervals)


def _baseline(report: StudyReport, baseline: Baseline) -> Mark:
    text = (
        f"{baseline.label}: {times(baseline.speedup.value)}, "
        f"{loss(baseline.score_loss.value, report.limit)}"
    )
    # Published settings are points of their own; the other kinds are curves.
    kind: Kind = "baseline" if baseline.joined else "preset"
    series = baseline.kind if baseline.joined else ""
    return Mark(kind, baseline.speedup.value, baseline.score_loss.value, text, series=series)


def _winner(report: StudyReport) -> Mark:
    assert report.winner is not None  # noqa: S101 - the caller has asked
    best, n = report.winner.best, report.winner.n_confirmed
    how = f"confirmed on {n} held-out prompts" if n else "as found in the search"
    text = (
        f"best: {best.config}: {times(best.speedup.value)}, "
        f"{loss(best.score_loss.value, report.limit)}, {how}"
    )
    return Mark(
        "winner",
        best.speedup.value,
        best.score_loss.value,
        text,
        best.trial,
        best.speedup,
        best.score_loss,
    )


def _finite(*intervals: Interval) -> bool:
    return all(math.isfinite(interval.value) for interval in intervals)
