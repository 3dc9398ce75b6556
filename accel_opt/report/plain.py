"""A study's report as plain values, for programs."""

from __future__ import annotations

import math
from typing import Any

from accel_opt.core.config import Config
from accel_opt.report.model import StudyReport
from accel_opt.report.words import verdict

FORMAT = 1


def study_document(report: StudyReport) -> dict[str, Any]:
    """Everything the page says but its pictures; JSON without nan."""
    data = {
        name: value
        for name, value in vars(report).items()
        if name not in ("strips", "trials", "winner", "rejected")
    }
    document: dict[str, Any] = {
        "format": FORMAT,
        "verdict": verdict(report),
        **data,
        "winner": report.winner,
        "rejected": [{"best": best, "reason": reason} for best, reason in report.rejected],
        "trials": report.trials,
    }
    plain: dict[str, Any] = _plain(document)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Config):
        return value.to_dict()
    if hasattr(value, "__dataclass_fields__"):
        # Not asdict: it would copy a Config into its parts.
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    number = isinstance(value, float)
    return value if not number or math.isfinite(value) else None
