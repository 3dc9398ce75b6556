"""`accel-opt summary`: what a search_params.json holds."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from accel_opt.cli.output import JsonFlag, clean, emit_json, emit_table, messages

EXAMPLE = "accel-opt summary search_params.json"


def summary(
    file: Annotated[Path, typer.Argument(help="A search_params.json.")],
    as_json: JsonFlag = False,
) -> None:
    """Counts entries, and the distinct models, samplers, steps and configs in them."""
    from accel_opt.results import summarise

    found = summarise(file)
    if as_json:
        emit_json(asdict(found))
        return
    rows = [
        ["entries", str(found.entries), f"{found.confirmed} confirmed"],
        ["models", str(len(found.models)), ", ".join(found.models)],
        ["samplers", str(len(found.schedulers)), ", ".join(found.schedulers)],
        ["steps", str(len(found.steps)), ", ".join(map(str, found.steps))],
        ["configs", str(len(found.configs)), f"{len(found.upper_bounds)} with an upper bound"],
        [
            "target sets",
            str(len(found.target_sets)),
            "; ".join("+".join(names) for names in found.target_sets),
        ],
    ]
    emit_table(str(file), ["", "number", ""], rows)
    for why in found.unread.values():
        messages().print(clean(f"not read: {why}"), markup=False)
