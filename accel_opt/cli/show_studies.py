"""The tables `show studies` and `show trials`."""

from __future__ import annotations

import math
from typing import Any

from accel_opt.core.errors import InputError
from accel_opt.search.explain import importances
from accel_opt.search.foreign import ForeignResult
from accel_opt.search.imported import imported
from accel_opt.search.read import StudyView, all_studies, read_study, storage_of
from accel_opt.search.records import Record


def studies(storage: str | None) -> list[dict[str, Any]]:
    """One row a study, those included that have imported results alone."""
    foreign = {(found.study, found.storage): found.results for found in imported(storage)}
    rows: list[dict[str, Any]] = []
    for found in all_studies(storage):
        best = found.winner
        rows.append(
            {
                "study": found.name,
                "evaluations": len(found.records),
                "imported": len(foreign.pop((found.name, found.storage), ())),
                "feasible": len(found.ledger.feasible),
                "best speedup": round(best.speedup.value, 3) if best else None,
                "confirmed": ("yes" if best.confirmed else "no") if best else "",
                "best setting": str(best.config) if best else "",
                "storage": found.storage,
            }
        )
    for (name, where), results in foreign.items():
        row = {"study": name, "evaluations": 0, "imported": len(results), "feasible": 0}
        nothing = {"best speedup": None, "confirmed": "", "best setting": ""}
        rows.append(row | nothing | {"storage": where})
    return rows


def trials(study: str | None, storage: str | None) -> list[dict[str, Any]]:
    """One row an evaluation: what it was, what came of it, why it ended; imported results last.

    Raises:
        InputError: No study was named.
    """
    if study is None:
        raise InputError("which study? type: accel-opt show trials --study NAME")
    mine = next((found for found in imported(storage) if found.study == study), None)
    try:
        rows = _evaluations(read_study(study, storage or storage_of(study)))
    except InputError:
        if mine is None:
            raise
        rows = []
    return rows + [_foreign(result, rows) for result in (mine.results if mine else ())]


def importance(study: str | None, storage: str | None) -> list[dict[str, Any]]:
    """One row a parameter: how much of the difference between settings it explains.

    Raises:
        InputError: No study was named, or there is none of that name.
    """
    if study is None:
        raise InputError("which study? type: accel-opt show importance --study NAME")
    found = importances(read_study(study, storage or storage_of(study)))
    return [
        {"parameter": name} | {of: round(shares.get(name, 0.0), 3) for of, shares in found.items()}
        for name in found.get("speed", {})
    ]


def _evaluations(found: StudyView) -> list[dict[str, Any]]:
    best, front = found.winner, found.front
    rows = []
    for record in found.records:
        marks = []
        if best is not None and record.number == best.trial:
            marks.append("confirmed" if best.confirmed else "best")
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


def _foreign(result: ForeignResult, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The row of an imported result, with the columns of the others."""
    row: dict[str, Any] = {
        "trial": result.trial,
        "setting": str(result.config),
        "speedup": result.speedup,
    }
    losses = [column for column in rows[0] if column.endswith(" loss")] if rows else ["clip loss"]
    row |= {column: result.score_loss if column == "clip loss" else None for column in losses}
    why = f"measured elsewhere ({result.source})"
    return row | {"feasible": "", "outcome": "foreign", "mark": "", "why": why}


def _speedup(record: Record) -> float | None:
    value = record.speed.value
    return round(math.exp(value), 3) if math.isfinite(value) else None
