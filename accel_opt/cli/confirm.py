"""`accel-opt confirm`: the best settings of a study again, on held-out prompts and other seeds."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from accel_opt.cli.output import JsonFlag, QuietFlag, clean, emit_json, emit_table, messages
from accel_opt.core.errors import InputError

EXAMPLE = "accel-opt confirm --study SD1.5-DDIMScheduler-50-deepcache --references"


def confirm(
    study: Annotated[str, typer.Option(help="Name of the study.")],
    storage: Annotated[
        str | None, typer.Option(help="Where the study is kept; ./studies by default.")
    ] = None,
    references: Annotated[
        bool,
        typer.Option("--references/--no-references", help="Compare with fewer steps, too."),
    ] = True,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Re-measures the best settings of a study in a fresh process; the first that holds wins.

    How many settings, prompts and seeds is fixed beforehand from what the search saw. A setting
    that was looked at is not asked again.
    """
    from accel_opt.cli.main import Answer
    from accel_opt.cli.progress import Progress
    from accel_opt.facade.main_job import confirm_again

    if not study:
        raise InputError("which study? type: accel-opt confirm --study NAME")
    with Progress(quiet=quiet) as progress:
        verdicts, comparisons = confirm_again(study, storage, progress, references=references)
    rows = [_row(verdict) for verdict in verdicts]
    if as_json:
        emit_json({"verdicts": rows, "comparisons": [asdict(c) for c in comparisons]})
    else:
        cells = [[str(value) for value in row.values()] for row in rows]
        emit_table(f"Confirmation of {study}", list(rows[0]) if rows else ["nothing"], cells)
        for comparison in comparisons:
            word = "beats" if comparison.beats else "does NOT beat"
            messages().print(clean(f"the winner {word} {comparison.text}"), markup=False)
    if not any(verdict.confirmed for verdict in verdicts):
        raise Answer


def _row(verdict: Any) -> dict[str, Any]:
    best = verdict.best
    return {
        "setting": str(best.config),
        "confirmed": "yes" if verdict.confirmed else "no",
        "speedup": f"{best.speedup.value:.2f} ({best.speedup.low:.2f} .. {best.speedup.high:.2f})",
        "score loss": f"{best.score_loss.value:+.4f} "
        f"({best.score_loss.low:+.4f} .. {best.score_loss.high:+.4f})",
        "prompts": verdict.n_items,
        "why": verdict.reason,
    }
