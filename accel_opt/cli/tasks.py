"""`accel-opt tasks`: task texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from accel_opt.cli.output import JsonFlag, clean, emit_json, messages
from accel_opt.cli.search import number_of
from accel_opt.core.errors import InputError, UnknownNameError

EXAMPLE = "accel-opt tasks baselines --out tasks.py"


def tasks(
    what: Annotated[str, typer.Argument(help="baselines or catalogue")],
    category: Annotated[
        str, typer.Option(help="Of the catalogue: I, II, III, IV or V; IV is the scripts' own.")
    ] = "IV",
    out: Annotated[
        Path | None, typer.Option(help="Write a file: .py, .json or .txt; else to stdout.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="Of the catalogue: anno or gen, as annotation files."),
    ] = None,
    first_id: Annotated[int, typer.Option(help="With --format: the first prompt_id.")] = 192,
    precision_loss: Annotated[
        str | None, typer.Option(help="State this loss in every text, such as 0.02.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Prints the 27 baseline texts, or a category of the catalogue, in a fixed order."""
    from accel_opt import tasks as room
    from accel_opt.core.files import write_atomically

    loss = None if precision_loss is None else number_of("precision_loss", precision_loss)
    if what not in ("baselines", "catalogue"):
        raise UnknownNameError("task list", what, ("baselines", "catalogue"))
    if form is not None:
        if what == "baselines":
            raise InputError(
                "--format is for the catalogue; leave it out, or type: tasks catalogue"
            )
        if form not in ("anno", "gen"):
            raise UnknownNameError("format", form, ("anno", "gen"))
        entries = room.catalogue_entries(category, form, first_id, loss)  # type: ignore[arg-type]
        text = room.annotations_text(entries)
    else:
        texts = room.baselines(loss) if what == "baselines" else room.catalogue(category, loss)
        text = room.tasks_text(texts, out.suffix if out else ".json" if as_json else ".txt")
    if out is not None:
        write_atomically(out, text)
        messages().print(clean(f"wrote {out}"), markup=False)
        if as_json:
            emit_json({"path": out})
    elif as_json:
        emit_json(json.loads(text))
    else:
        print(text.rstrip("\n"))  # noqa: T201
