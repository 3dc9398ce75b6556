"""`accel-opt judge`: evaluates generated programs, each in a sandbox of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accel_opt.cli.judge_progress import JudgeProgress
from accel_opt.cli.output import JsonFlag, QuietFlag, emit_json, emit_table
from accel_opt.core.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from accel_opt.judge import Conditions

EXAMPLE = (
    "accel-opt judge --annotations anno_4_category.json --generations gen_4_category.json "
    "--out evaluation_results.json"
)
_SANDBOXES = ("auto", "bwrap", "namespaces", "landlock", "process")


def judge(
    annotations: Annotated[
        Path | None, typer.Option(help="Annotation file: the ground truth.")
    ] = None,
    generations: Annotated[
        Path | None, typer.Option(help="Generation file: the programs to judge.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Results; written after each program.")] = Path(
        "evaluation_results.json"
    ),
    programs: Annotated[
        Path | None,
        typer.Option(help="Folder of the programs; the generation file's by default."),
    ] = None,
    extract_only: Annotated[
        Path | None, typer.Option(help="Only say what this one program is, after a short run.")
    ] = None,
    brief: Annotated[
        Path | None,
        typer.Option(help="Print {gen_time},{clip_score} of this one program: 20 prompts."),
    ] = None,
    prompts: Annotated[int, typer.Option(help="Prompts to measure each program on.")] = 32,
    batch_size: Annotated[int, typer.Option(help="Prompts handed to a program at once.")] = 4,
    prompts_from: Annotated[
        str | None, typer.Option(help="embedded, coco, a file or data set; the model's own else.")
    ] = None,
    scorer: Annotated[
        str | None, typer.Option(help="CLIP checkpoint; the model's own else.")
    ] = None,
    max_score_loss: Annotated[
        float | None, typer.Option(help="Loss allowed; what each text says, else 0.02.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds of one program, in all.")] = 1800.0,
    memory: Annotated[int, typer.Option(help="MiB of one program.")] = 32768,
    sandbox: Annotated[str, typer.Option(help=f"One of {', '.join(_SANDBOXES)}.")] = "auto",
    allow_unsandboxed: Annotated[
        bool,
        typer.Option(help="Run programs that nothing isolates; they can read and send your files."),
    ] = False,
    allow_read: Annotated[
        list[Path] | None, typer.Option(help="Folder shown to programs, such as a local model.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cuda, cuda:1, mps or cpu.")] = None,
    jobs: Annotated[int, typer.Option(help="Programs at once, each on a GPU of its own.")] = 1,
    overwrite: Annotated[bool, typer.Option(help="Judge again what has a result.")] = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Runs generated programs apart, measures them, and says of each whether it passes.

    A second run goes on where the first stopped. Status 1 when a program did not pass.
    """
    from accel_opt.judge import Conditions
    from accel_opt.judge.places import devices_for
    from accel_opt.judge.sandbox import Level

    if sandbox not in _SANDBOXES:
        raise UnknownNameError("sandbox", sandbox, _SANDBOXES)
    conditions = Conditions(
        prompts=prompts,
        batch_size=batch_size,
        prompts_from=prompts_from,
        scorer=scorer,
        timeout_s=timeout,
        memory_mib=memory,
        level=None if sandbox == "auto" else Level(sandbox),
        allow_unsandboxed=allow_unsandboxed,
        readable=tuple(allow_read or ()),
        devices=devices_for(jobs, device),
    )
    single = extract_only or brief
    if single is not None:
        if annotations or generations or (extract_only and brief):
            raise InputError("--extract-only FILE and --brief FILE each stand alone")
        if not single.is_file():
            raise InputError(f"no file {single}; give the path of a program")
        (_extract if extract_only else _brief)(single, conditions, as_json)
        return
    if annotations is None or generations is None:
        raise InputError(f"give --annotations and --generations, as in: {EXAMPLE}")
    files = {"annotations": annotations, "generations": generations, "programs": programs}
    _judge_all(files, out, conditions, max_score_loss, overwrite, quiet=quiet, as_json=as_json)


def _judge_all(
    files: dict[str, Any],
    out: Path,
    conditions: Conditions,
    max_score_loss: float | None,
    overwrite: bool,
    *,
    quiet: bool,
    as_json: bool,
) -> None:
    from accel_opt.cli.main import Answer
    from accel_opt.judge import judge_programs

    results = judge_programs(
        files["annotations"],
        files["generations"],
        out,
        conditions,
        programs=files["programs"],
        max_score_loss=max_score_loss,
        anew=overwrite,
        on_event=JudgeProgress(out, quiet=quiet),
    )
    if as_json:
        emit_json(results)
    else:
        rows = [_row(result) for result in results]
        columns = ["task", "difficulty", "target", "speedup", "loss", "outcome"]
        emit_table(f"Judged programs: {out}", columns, rows)
    if not all(result["evaluation_results"]["passed"] for result in results):
        raise Answer


def _row(result: dict[str, Any]) -> list[str]:
    found = result.get("evaluation_results", result)
    speedup, loss = found.get("actual_speedup"), found.get("quality_loss")
    return [
        str(result["prompt_id"]),
        str(result.get("difficulty", "")),
        f"{result.get('target_speedup', '')}x",
        "" if speedup is None else f"{speedup:.2f}x",
        "" if loss is None else f"{100 * loss:+.2f} %",
        "passed" if found.get("passed") else str(found.get("failure_reason")),
    ]


def _extract(path: Path, conditions: Conditions, as_json: bool) -> None:
    from accel_opt.cli.main import Answer
    from accel_opt.cli.output import clean, messages
    from accel_opt.judge import ProgramError, describe_program

    try:
        claim = describe_program(path, conditions)
    except ProgramError as error:
        if as_json:
            emit_json({"error": str(error), "failure_reason": error.reason.value})
        messages().print(clean(f"{path}: {error.reason}: {error}"), markup=False)
        raise Answer from None
    if as_json:
        emit_json(claim.model_dump())
        return
    emit_table(str(path), ["", ""], [[k, str(v)] for k, v in claim.model_dump().items()])


def _brief(path: Path, conditions: Conditions, as_json: bool) -> None:
    from accel_opt.cli.main import Answer
    from accel_opt.cli.output import clean, messages
    from accel_opt.judge import ProgramError
    from accel_opt.judge.brief import brief

    try:
        seconds, score = brief(path, conditions)
    except ProgramError as error:
        if as_json:
            emit_json({"error": str(error), "failure_reason": error.reason.value})
        messages().print(clean(f"{path}: {error.reason}: {error}"), markup=False)
        raise Answer from None
    if as_json:
        emit_json({"gen_time": seconds, "clip_score": score})
    else:
        print(f"{seconds:.4f},{score:.4f}")  # noqa: T201 - the old evaluator's line
