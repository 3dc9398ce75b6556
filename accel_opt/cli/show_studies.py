"""The tables `show studies` and `show trials`."""

from __future__ import annotations

import math
from typing import Any

from accel_opt.core.errors import InputError
from accel_opt.search.read import all_studies, read_study, storage_of
from accel_opt.search.records import Record


def studies(storage: str | None) -> list[dict[str, Any]]:
    """One row a study."""
    rows = []
    for found in all_studies(storage):
        best = found.ledger.best
        rows.append(
            {
                "study": found.name,
                "evaluations": len(found.records),
                "feasible": len(found.ledger.feasible),
                "best speedup": _speedup(best) if best else None,
                "best setting": str(best.config) if best else "",
                "storage": found.storage,
            }
        )
    return rows


def trials(study: str | None, storage: str | None) -> list[dict[str, Any]]:
    """One row an evaluation: what it was, what came of it, why it ended.

    Raises:
        InputError: No study was named.
    """
    if study is None:
        raise InputError("which study? type: accel-opt show trials --study NAME")
    found = read_study(study, storage or storage_of(study))
    best, front = found.ledger.best, found.front
    rows = []
    for record in found.records:
        marks = []
        if best is not None and record.number == best.number:
            marks.append("best")
        if record.key in front and record.outcome == "full":
            marks.append("front")
        row: dict[str, Any] = {
            "trial": record.number,
            "setting": str(record.config),
            "speedup": _speedup(record),
        }
        for limit in found.limits:
            loss = record.losses.get(limit.metric)
            value = loss.value if loss and math.isfinite(loss.value) else None
            row[f"{limit.metric} loss"] = None if value is None else round(value, 4)
        rows.append(
            row
            | {
                "feasible": "yes" if record.feasible(found.limits) else "no",
                "outcome": record.outcome,
                "mark": " ".join(marks),
                "why": record.reason,
            }
        )
    return rows


def _speedup(record: Record) -> float | None:
    value = record.speed.value
    return round(math.exp(value), 3) if math.isfinite(value) else None
