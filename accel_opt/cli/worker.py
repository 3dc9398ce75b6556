"""`accel-opt worker`: joins a study that others search, from this or another machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from accel_opt.cli.output import JsonFlag, QuietFlag, clean, emit_json, messages
from accel_opt.core.errors import InputError

EXAMPLE = "accel-opt worker --storage postgresql://me@db/studies --study sd15"


def worker(
    study: Annotated[str, typer.Option(help="Name of the study.")],
    storage: Annotated[
        str,
        typer.Option(
            envvar="ACCEL_OPT_STORAGE",
            help="PostgreSQL, or a Journal on this machine; a password is best left to PGPASSWORD "
            "or ~/.pgpass.",
        ),
    ],
    device: Annotated[str | None, typer.Option(help="cuda, cuda:1, mps or cpu.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Processor threads, where the study divides them.", min=1)
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds of search; the study's own by default.", min=1)
    ] = None,
    apart: Annotated[
        bool,
        typer.Option("--apart", help="On an unlike machine, search a study of its own beside it."),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for sample images.")] = None,
    problem: Annotated[
        str | None,
        typer.Option(help="module:function, for studies that are no search of a pipeline."),
    ] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Searches a study together with others until a rule ends the search, and leaves.

    What is searched stands in the study; whoever started it confirms and exports. Ctrl-C gives
    the setting that is being measured back.
    """
    from accel_opt.cli.progress import Progress

    if not study:
        raise InputError("which study? type: accel-opt worker --storage URL --study NAME")
    if threads is not None:
        # Read by torch when it starts, and by the study's conditions.
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "ACCEL_OPT_WORKER_THREADS"):
            os.environ[name] = str(threads)
    from accel_opt.search.workers.joining import join
    from accel_opt.search.workers.problem import named, of_study

    with Progress(quiet=quiet) as progress:
        found = named(problem) if problem else of_study(storage, study, device=device, out=out)
        ending = join(
            found, storage, study, seconds=timeout, apart=apart, out=out, on_event=progress
        )
    if as_json:
        emit_json({"study": study, "ended": ending.code, "why": ending.text})
    else:
        messages().print(clean(f"search over: {ending.text}"), markup=False)
