"""Floor 4: pages of studies and of judged programs, from plain models alone."""

from accel_opt.report.judged import Judged, read_results, report_document
from accel_opt.report.judged_page import judged_html, judged_markdown
from accel_opt.report.model import (
    Baseline,
    Compared,
    Picture,
    Strip,
    StudyReport,
    Trial,
    Winner,
)
from accel_opt.report.page import study_html, study_markdown
from accel_opt.report.plain import study_document
from accel_opt.report.png import study_png

__all__ = [
    "Baseline",
    "Compared",
    "Judged",
    "Picture",
    "Strip",
    "StudyReport",
    "Trial",
    "Winner",
    "judged_html",
    "judged_markdown",
    "read_results",
    "report_document",
    "study_document",
    "study_html",
    "study_markdown",
    "study_png",
]
