"""A study as one page that needs nothing else, and as Markdown."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from accel_opt.core.measurement import Interval
from accel_opt.report import svg, words
from accel_opt.report.model import StudyReport
from accel_opt.report.pictures import thumbnails
from accel_opt.report.plot import plot_of
from accel_opt.report.templating import html, markdown

UNKNOWN = Interval(math.nan, math.nan, math.nan, 0)


def study_html(report: StudyReport) -> str:
    """The page of a study; it loads nothing, prints well, and suits light and dark."""
    plot = plot_of(report)
    pictures = thumbnails(p.path for strip in report.strips for p in strip.pictures)
    return html(
        "study.html.j2",
        plot=Markup(svg.draw(plot)) if plot else None,  # noqa: S704 - it escapes what it is given
        far=plot is not None and any(mark.y > plot.y[1] for mark in plot.marks),
        pictures=pictures,
        **_shared(report),
    )


def study_markdown(report: StudyReport) -> str:
    """The same without pictures, for a pull request or a wiki."""
    return markdown("study.md.j2", **_shared(report))


def _shared(report: StudyReport) -> dict[str, Any]:
    return {
        "report": report,
        "limit": report.limit,
        "winner": report.winner,
        "best": report.winner.best if report.winner else None,
        "verdict": words.verdict(report),
        "counts": words.counts(report.trials),
        "n_feasible": sum(trial.feasible for trial in report.trials),
        "refused": {best.trial for best, _ in report.rejected},
        "unknown": UNKNOWN,
        "conditions": {name: _plain(value) for name, value in report.conditions.items()},
    }


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items())
    return "none" if value is None else str(value)
