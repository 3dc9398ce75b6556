"""`accel-opt compare`: two annotation or generation files, entry by entry."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accel_opt.cli.output import JsonFlag, clean, emit_json, results

if TYPE_CHECKING:
    from accel_opt.tasks import Difference

EXAMPLE = "accel-opt compare anno_4_category.json gen_4_category.json"


def compare(
    first: Annotated[Path, typer.Argument(help="An annotation or generation file.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: JsonFlag = False,
) -> None:
    """Compares ids, order and every field. Exit status 1 when they differ.

    Between an annotation and a generation file, the paths' folder is no difference.
    """
    from accel_opt import tasks
    from accel_opt.cli.main import Answer

    found = tasks.compare(tasks.read_annotations(first), tasks.read_annotations(second))
    if as_json:
        emit_json(
            {
                "total": found.total,
                "matching": found.matching,
                "percentage": round(found.percentage, 4),
                "differences": [asdict(difference) for difference in found.differences],
            }
        )
    else:
        lines = [
            f"{found.matching} of {found.total} entries match: {found.percentage:.2f} %",
            *(line for difference in found.differences for line in _lines(difference)),
        ]
        for line in lines:
            results().print(clean(line), markup=False, soft_wrap=True)
    if not found.equal:
        raise Answer


def _lines(difference: Difference) -> list[str]:
    where = f" {difference.field}" if difference.field else ""
    at = "" if difference.at is None else f", from character {difference.at}"
    return [
        f"{difference.prompt_id}: {difference.kind}{where}{at}",
        f"    first:  {difference.first or '-'}",
        f"    second: {difference.second or '-'}",
    ]
