"""What `accel-opt search --weights random` does: a ranking by FLOPs or seconds."""

from __future__ import annotations

from accel_opt.cli.output import emit_json, emit_table, messages
from accel_opt.core.errors import InputError
from accel_opt.core.spec import StudySpec

_SHOWN = 20


def rank_by_work(spec: StudySpec, *, dry_run: bool, quiet: bool, as_json: bool) -> None:
    """Ranks, prints the head of the ranking, and says that nobody has looked at quality.

    Raises:
        InputError: The spec asks for quality.
    """
    from accel_opt.cli.progress import Progress
    from accel_opt.facade.work_search import rank

    if dry_run:
        raise InputError(
            "--dry-run has nothing to estimate with random weights: --objective flops takes "
            "seconds itself"
        )
    with Progress(quiet=quiet) as progress:
        result = rank(spec, progress)
    if as_json:
        emit_json(result.to_dict() | {"path": str(result.path)})
        return
    rows = [
        [
            str(ranked.config),
            f"{ranked.flops_ratio:.2f}x",
            ranked.failed if ranked.speedup is None else f"{ranked.speedup:.2f}x",
            "" if ranked.latency_s is None else f"{ranked.latency_s:.3g}",
        ]
        for ranked in result.settings[:_SHOWN]
    ]
    title = f"{result.spec.model}, {result.spec.scheduler}, {result.spec.steps} steps"
    emit_table(title, ["setting", "FLOPs", "speedup", "seconds per prompt"], rows)
    which = "all" if result.whole else "the way to the least work of many more"
    said = f"{result.counted} settings counted ({which}); {result.quality}. All in {result.path}"
    messages().print(said)
