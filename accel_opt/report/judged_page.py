"""Judged programs as one page, and as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from accel_opt.report import targets_svg
from accel_opt.report.judged import DIFFICULTIES, Judged, report_document
from accel_opt.report.pictures import thumbnails
from accel_opt.report.templating import html, markdown

REASONS = {
    "config_mismatch": "another pipeline, model, sampler or number of steps",
    "quality_threshold_exceeded": "loses too much",
    "speedup_target_not_met": "not fast enough",
    "missing_required_information": "says too little",
    "evaluation_error": "could not be evaluated",
    "timeout": "took too long",
    "out_of_memory": "out of memory",
    "tampering": "images or times that are not its config's",
    "unverified": "cannot be repeated in our own code",
    "output_invalid": "images that are none",
}


def judged_html(results: Sequence[Judged], title: str, written: str = "") -> str:
    """The page of judged programs.

    Args:
        results: What `read_results` gave.
        title: What was judged, such as the file's name.
        written: When the page was made.
    """
    pictures = thumbnails(path for one in results for pair in one.images for path in pair)
    plot = targets_svg.draw(results)
    return html(
        "judged.html.j2",
        pictures=pictures,
        plot=Markup(plot) if plot else None,  # noqa: S704 - it escapes what it is given
        title=title,
        written=written,
        **_shared(results),
    )


def judged_markdown(results: Sequence[Judged], title: str) -> str:
    """The same without pictures."""
    return markdown("judged.md.j2", title=title, **_shared(results))


def _shared(results: Sequence[Judged]) -> dict[str, Any]:
    reasons = Counter(one.reason or "evaluation_error" for one in results if not one.passed)
    return {
        "results": results,
        "document": report_document(results),
        "levels": DIFFICULTIES,
        "reasons": [(name, REASONS.get(name, name), n) for name, n in reasons.most_common()],
        "words": REASONS,
    }
