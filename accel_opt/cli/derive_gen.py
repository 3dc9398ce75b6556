"""`accel-opt derive-gen`: the generation file of an annotation file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accel_opt.cli.output import JsonFlag, clean, emit_json, messages

EXAMPLE = "accel-opt derive-gen anno_4_category.json --out gen_4_category.json"


def derive_gen(
    annotations: Annotated[Path, typer.Argument(help="An annotation file.")],
    out: Annotated[Path, typer.Option(help="The generation file.")],
    as_json: JsonFlag = False,
) -> None:
    """Writes the generation file, and makes the folder gen_code/ beside it."""
    from accel_opt import tasks
    from accel_opt.core.errors import InputError
    from accel_opt.core.files import write_atomically

    if out.resolve() == annotations.resolve():
        raise InputError(f"--out {out} is the annotation file itself; name another")
    entries = tasks.derive_gen(tasks.read_annotations(annotations))
    write_atomically(out, tasks.annotations_text(entries))
    folder = out.parent / "gen_code"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make {folder}: {error.strerror}; move it away") from None
    if as_json:
        emit_json({"path": out, "entries": len(entries), "folder": folder})
    else:
        messages().print(clean(f"wrote {out}: {len(entries)} entries; {folder}/"), markup=False)
