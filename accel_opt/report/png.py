"""The plot of speed and loss as a PNG, for slides and issues."""

from __future__ import annotations

import io
import math
from itertools import groupby
from typing import Any

from accel_opt.core.errors import InputError
from accel_opt.report.model import StudyReport
from accel_opt.report.plot import Mark, Plot, plot_of
from accel_opt.report.words import verdict

_LOOKS: dict[str, dict[str, Any]] = {
    "stopped": {"marker": ".", "color": "#9aa4b2", "ms": 4},
    "infeasible": {"marker": "o", "mfc": "none", "mec": "#c2410c", "ms": 6},
    "feasible": {"marker": "o", "color": "#3b6fb6", "ms": 6},
    "preset": {"marker": "^", "color": "#7c3aed", "ms": 7},
    "front": {"marker": "o", "color": "#0f766e", "ms": 7},
    "baseline": {"marker": "D", "color": "#64748b", "ms": 5},
    "winner": {"marker": "*", "color": "#d97706", "ms": 18, "mec": "white"},
}
_NAMES = {
    "winner": "best",
    "front": "front",
    "feasible": "feasible",
    "preset": "published",
    "infeasible": "loses too much",
    "stopped": "stopped early, estimate",
    "baseline": "needs no search",
}


def study_png(report: StudyReport) -> bytes:
    """The plot with the verdict above it.

    Raises:
        InputError: Nothing was measured.
    """
    from matplotlib.figure import Figure

    plot = plot_of(report)
    if plot is None:
        raise InputError(f"study {report.study!r} has nothing to plot: nothing was measured")
    figure = Figure(figsize=(9.6, 5.4), dpi=150, layout="constrained")
    axes: Any = figure.add_subplot()
    scale = 100.0 if plot.relative else 1.0
    axes.axhspan(plot.limit * scale, plot.y[1] * scale, color="#c2410c", alpha=0.07, lw=0)
    axes.axhline(plot.limit * scale, color="#c2410c", lw=1, ls="--")
    _curves(axes, plot, scale)
    for mark in plot.marks:
        _mark(axes, mark, plot, scale)
    axes.set(xlim=plot.x, ylim=[scale * y for y in plot.y], xlabel="speedup", ylabel=plot.label)
    axes.grid(color="#94a3b8", alpha=0.25, lw=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    _names(axes, plot)
    axes.set_title(verdict(report), fontsize=9, loc="left", wrap=True)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": "accel_opt"})
    return file.getvalue()


def _curves(axes: Any, plot: Plot, scale: float) -> None:
    named = sorted((m for m in plot.marks if m.series), key=lambda m: (m.series, m.x))
    for series, marks in groupby(named, key=lambda m: m.series):
        points = sorted([(1.0, 0.0), *((m.x, m.y) for m in marks)])
        axes.plot(
            [x for x, _ in points],
            [scale * y for _, y in points],
            color="#64748b",
            lw=1,
            ls=":",
        )
        last = max(points)
        if scale * last[1] <= scale * plot.y[1]:
            place = {"xytext": (-6, 6), "textcoords": "offset points", "ha": "right"}
            axes.annotate(series, (last[0], scale * last[1]), color="#64748b", fontsize=8, **place)
    front = sorted((m.x, m.y) for m in plot.marks if m.kind == "front")
    axes.plot([x for x, _ in front], [scale * y for _, y in front], color="#0f766e", lw=1)


def _names(axes: Any, plot: Plot) -> None:
    """What the marks mean, of those that there are."""
    from matplotlib.lines import Line2D

    there = {mark.kind for mark in plot.marks}
    handles = [
        Line2D([], [], ls="none", label=name, **(_LOOKS[kind] | {"ms": min(_LOOKS[kind]["ms"], 9)}))
        for kind, name in _NAMES.items()
        if kind in there
    ]
    axes.legend(handles=handles, fontsize=8, framealpha=0.8, loc="best")


def _mark(axes: Any, mark: Mark, plot: Plot, scale: float) -> None:
    far = mark.y > plot.y[1]
    y = min(mark.y, plot.y[1]) * scale
    looks = _LOOKS[mark.kind] | ({"marker": "^", "ms": 4} if far else {})
    if mark.across is not None and mark.along is not None:
        errors = {
            "xerr": _reach(mark.across.value, mark.across.low, mark.across.high, 1.0),
            "yerr": _reach(mark.along.value, mark.along.low, mark.along.high, scale),
        }
        known = {name: value for name, value in errors.items() if value is not None}
        axes.errorbar(mark.x, y, fmt="none", ecolor="#334155", elinewidth=0.8, **known)
    axes.plot(mark.x, y, ls="none", clip_on=not far, **looks)
    if mark.kind == "winner":
        axes.annotate(
            f"{mark.x:.2f}×",
            (mark.x, y),
            xytext=(9, 7),
            textcoords="offset points",
            fontweight="bold",
        )


def _reach(value: float, low: float, high: float, scale: float) -> list[list[float]] | None:
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    return [[scale * (value - low)], [scale * (high - value)]]
