"""`accel-opt annotate`: annotation files for a folder of programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accel_opt.cli.output import JsonFlag, clean, emit_json, messages

EXAMPLE = "accel-opt annotate programs --out annotated --verify"


def annotate(
    folder: Annotated[Path, typer.Argument(help="Where the generated programs lie.")],
    out: Annotated[Path, typer.Option(help="Folder for the annotation file and gt_code/.")],
    first_id: Annotated[int, typer.Option(help="The first prompt_id.")] = 192,
    suffix: Annotated[str, typer.Option(help="Text to add to every prompt_context.")] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write into an existing gt_code/.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="List easy and medium targets above what was found."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Groups programs by model, sampler and steps; three of each become easy, medium and hard.

    With --verify, exit status 1 when a target lies above what was found.
    """
    from accel_opt import tasks
    from accel_opt.cli.main import Answer

    found = tasks.annotate(folder, out, first_id=first_id, suffix=suffix, overwrite=overwrite)
    problems = tasks.out_of_reach(folder, found) if verify else []
    if as_json:
        emit_json(
            {
                "entries": len(found.entries),
                "mapping": found.mapping,
                "skipped": found.skipped,
                "out_of_reach": problems,
            }
        )
    for name, why in sorted(found.skipped.items()):
        messages().print(clean(f"left out {name}: {why}"), markup=False)
    for problem in problems:
        messages().print(clean(f"out of reach: {problem}"), markup=False)
    messages().print(
        clean(f"{len(found.entries)} entries in {out}, {len(found.skipped)} files left out"),
        markup=False,
    )
    if problems:
        raise Answer
