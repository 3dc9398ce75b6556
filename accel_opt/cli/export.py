"""`accel-opt export`: merges a study's confirmed result into a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accel_opt.cli.output import JsonFlag, clean, emit_json, messages
from accel_opt.core.errors import ExportRefusedError, InputError

EXAMPLE = "accel-opt export --study shapes-DDIMScheduler-20-deepcache+tgate+tome"


def export(
    study: Annotated[str, typer.Option(help="Name of the study.")],
    out: Annotated[Path, typer.Option(help="The file.")] = Path("search_params.json"),
    storage: Annotated[
        str | None, typer.Option(help="Where the study is kept; ./studies by default.")
    ] = None,
    unconfirmed: Annotated[
        bool, typer.Option("--unconfirmed", help="Export what was found, confirmed or not.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what stands under the same keys.")
    ] = False,
    move_aside: Annotated[
        bool, typer.Option("--move-aside", help="Rename a file that cannot be read.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Merges the best confirmed setting of a study into a search_params.json.

    Entries that are there stay, unless this one is faster and confirmed under the same
    conditions. A file that cannot be read is left as it is.
    """
    from accel_opt import results
    from accel_opt.facade.main_job import check_params, entry_of, meets_target, missed
    from accel_opt.search.confirm import winner_of
    from accel_opt.search.read import read_study, storage_of

    found = read_study(study, storage or storage_of(study))
    if found.spec is None:
        raise InputError(f"study {study!r} is no search of a pipeline; it has no result key")
    holding = winner_of(found.verdicts)
    winner = holding.best if holding else None
    if winner is None and unconfirmed:
        feasible = [found.ledger.show(record) for record in found.ledger.feasible]
        reached = (best for best in feasible if meets_target(found.spec, best))
        winner = next(reached, next(iter(feasible), None))
    if winner is None:
        raise ExportRefusedError(
            f"study {study!r} has no confirmed setting; go on with the search, or export what it "
            "found with --unconfirmed"
        )
    if not meets_target(found.spec, winner):
        raise ExportRefusedError(f"study {study!r}: {missed(found.spec, winner)}; search on")
    check_params(out, move_aside=move_aside)
    report = results.merge(out, [entry_of(found.spec, winner, found.conditions)], force=force)
    if as_json:
        emit_json({"path": out, "written": report.written, "kept": report.kept})
        return
    for key in report.written:
        messages().print(clean(f"wrote {key}"), markup=False)
    for key, why in report.kept.items():
        messages().print(clean(f"kept {key}: {why}"), markup=False)
