"""`accel-opt search`: runs or resumes a search, confirms, exports, writes the program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from accel_opt.cli.by_work import rank_by_work
from accel_opt.cli.old_flags import OLD_DEFAULTS, OLD_ONLY
from accel_opt.cli.output import JsonFlag, QuietFlag, emit_json, messages
from accel_opt.core.errors import InputError
from accel_opt.core.spec import StudySpec, make_spec, read_toml

EXAMPLE = "accel-opt search --model SD1.5 --scheduler DDIM --steps 50 --accelerators deepcache,tome"


def search(
    study_file: Annotated[
        Path | None, typer.Argument(help="A study.toml; options given here win over it.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name, hub id or folder.")] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler", help="Nickname or diffusers class name; DDIM, or a flow model's own."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Inference steps.")] = None,
    guidance_scale: Annotated[
        float | None, typer.Option(help="Guidance; the model's own by default.")
    ] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="Same for every prompt.")] = None,
    accelerators: Annotated[
        str | None,
        typer.Option(
            help="Searched together; deepcache,tome,tgate by default, others on transformers."
        ),
    ] = None,
    require_all: Annotated[
        bool | None, typer.Option("--require-all", help="Leave no accelerator off.")
    ] = None,
    ranges: Annotated[
        list[str] | None, typer.Option("--range", help="As tome.ratio=0.1:0.7:0.1.")
    ] = None,
    max_score_loss: Annotated[
        str | None, typer.Option(help="Greatest relative CLIP loss, in (0, 1).")
    ] = None,
    max_loss: Annotated[
        list[str] | None, typer.Option(help="Limit of another metric, as ssim=0.3.")
    ] = None,
    speedup: Annotated[float | None, typer.Option(help="Stop at this speedup.")] = None,
    latency: Annotated[
        float | None, typer.Option(help="Stop at this many seconds per prompt.")
    ] = None,
    frontier: Annotated[
        bool | None, typer.Option("--frontier", help="Spread over speed and quality.")
    ] = None,
    objective: Annotated[str | None, typer.Option(help="speedup, flops or memory.")] = None,
    prompts: Annotated[int | None, typer.Option(help="Prompts of one evaluation.")] = None,
    prompts_from: Annotated[
        str | None,
        typer.Option(help="embedded, coco, a .txt or .jsonl file, or owner/name:column."),
    ] = None,
    scorer: Annotated[str | None, typer.Option(help="CLIP checkpoint: hub id or folder.")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", "--batch_size", help="Prompts per call.")
    ] = None,
    halve_batch: Annotated[
        bool | None,
        typer.Option("--halve-batch", help="Halve the batch of what runs out of memory."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of search and images.")] = None,
    trials: Annotated[int | None, typer.Option(help="Evaluations in the study, in total.")] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds of search, confirmation not counted.")
    ] = None,
    trial_timeout: Annotated[
        float | None, typer.Option(help="Seconds after which one trial counts as hung.")
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="auto, gp, optuna-gp, tpe, random, enumerate, traversal[-skip]."),
    ] = None,
    study: Annotated[str | None, typer.Option(help="Name of the study.")] = None,
    storage: Annotated[str | None, typer.Option(help="Such as sqlite:///my.db.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for everything that is written.")] = None,
    device: Annotated[str | None, typer.Option(help="cuda, cuda:1, mps or cpu.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, float16 or bfloat16.")] = None,
    resolution: Annotated[int | None, typer.Option(help="Pixels of height and width.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="pretrained, or random for speed only.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit of the model on the hub.")
    ] = None,
    variant: Annotated[str | None, typer.Option(help="Of the model's files, as fp16.")] = None,
    cache_dir: Annotated[
        str | None, typer.Option("--cache-dir", help="Of hub files; HF_HOME by default.")
    ] = None,
    confirm: Annotated[
        bool | None, typer.Option("--confirm/--no-confirm", help="Re-measure on held-out prompts.")
    ] = None,
    references: Annotated[
        bool | None, typer.Option("--references/--no-references", help="Measure fewer steps too.")
    ] = None,
    allow_drift: Annotated[
        bool | None, typer.Option("--allow-drift", help="Go on under other conditions.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that search together, one a GPU.", min=1)
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Who places the workers: local, or ray across a cluster.")
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster; auto finds the one that runs.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate time and memory; measure nothing.")
    ] = False,
    move_aside: Annotated[
        bool, typer.Option("--move-aside", help="Rename a result file that cannot be read.")
    ] = False,
    achieved_only: Annotated[bool | None, typer.Option("--achieved-only", hidden=True)] = None,
    sampler: Annotated[str | None, typer.Option("--sampler", hidden=True)] = None,
    pipe: Annotated[str | None, typer.Option("--pipe", hidden=True)] = None,
    search_targets: Annotated[str | None, typer.Option("--search_targets", hidden=True)] = None,
    sched: Annotated[str | None, typer.Option("--sched", hidden=True)] = None,
    num_samples: Annotated[int | None, typer.Option("--num_samples", hidden=True)] = None,
    req_speedup: Annotated[float | None, typer.Option("--req_speedup", hidden=True)] = None,
    req_time: Annotated[float | None, typer.Option("--req_time", hidden=True)] = None,
    req_score_loss: Annotated[str | None, typer.Option("--req_score_loss", hidden=True)] = None,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Searches the fastest setting whose quality loss stays under the limit.

    Without arguments: the embedded model, DDIM, 20 steps, all three accelerators. The same
    command again goes on where it stopped.
    """
    given = {k: v for k, v in locals().items() if k not in _NOT_OPTIONS and v is not None}
    spec = spec_from_options(given, study_file)
    _run(spec, dry_run=dry_run, move_aside=move_aside, quiet=quiet, as_json=as_json)


_NOT_OPTIONS = {"study_file", "dry_run", "move_aside", "quiet", "as_json"}


def spec_from_options(given: dict[str, Any], study_file: Path | None = None) -> StudySpec:
    """The spec that options and a study.toml make together; options win.

    Raises:
        InputError: An option is wrong, or two say different things.
    """
    if "sampler" in given:
        raise InputError(
            f"--sampler is called --scheduler here; type --scheduler {given['sampler']} instead"
        )
    options: dict[str, Any] = read_toml(study_file) if study_file else {}
    old = {name: given.pop(name) for name in list(given) if name in OLD_ONLY}
    if old:
        options = OLD_DEFAULTS | options
    for name, value in old.items():
        new = OLD_ONLY[name]
        if new in given and given[new] != value:
            raise InputError(f"--{name} and --{new.replace('_', '-')} say different things")
        given[new] = value
    if "req_time" in old:
        # The old scripts' keys had no place for a latency.
        given["achieved_only"] = True
    if "max_score_loss" in given:
        given["max_score_loss"] = number_of("max_score_loss", given["max_score_loss"])
    if "ranges" in given:
        given["ranges"] = _ranges(given["ranges"])
    if "max_loss" in given:
        given["max_loss"] = _limits(given["max_loss"])
    if "max_loss" in given and "clip" in given["max_loss"]:
        given["max_score_loss"] = given["max_loss"].pop("clip")
    return make_spec(**(options | given))


def number_of(name: str, text: Any) -> float:
    """A number that was typed; the error says what to type instead."""
    try:
        return float(text)
    except ValueError:
        option = name.replace("_", "-")
        raise InputError(f"--{option} {text!r} is no number; type --{option} 0.02") from None


def _ranges(texts: list[str]) -> dict[str, dict[str, tuple[float, ...]]]:
    ranges: dict[str, dict[str, tuple[float, ...]]] = {}
    for text in texts:
        where, _, numbers = text.partition("=")
        accelerator, _, parameter = where.partition(".")
        parts = numbers.split(":")
        try:
            values = tuple(float(part) for part in parts)
        except ValueError:
            values = ()
        if not parameter or len(values) not in (2, 3):
            raise InputError(f"--range {text!r}: type it as --range tome.ratio=0.1:0.7:0.1")
        ranges.setdefault(accelerator, {})[parameter] = values
    return ranges


def _limits(texts: list[str]) -> dict[str, float]:
    limits = {}
    for text in texts:
        name, _, number = text.partition("=")
        if not number:
            raise InputError(f"--max-loss {text!r}: type it as --max-loss ssim=0.3")
        limits[name] = number_of("max-loss", number)
    return limits


def _run(spec: StudySpec, *, dry_run: bool, move_aside: bool, quiet: bool, as_json: bool) -> None:
    if spec.weights == "random":
        rank_by_work(spec, dry_run=dry_run, quiet=quiet, as_json=as_json)
        return
    from accel_opt.cli.main import Answer
    from accel_opt.cli.progress import Progress
    from accel_opt.cli.search_result import as_document, print_result
    from accel_opt.facade.main_job import estimate, run

    if dry_run:
        emit_json(estimate(spec)) if as_json else messages().print(str(estimate(spec)))
        return
    with Progress(quiet=quiet) as progress:
        outcome = run(spec, on_event=progress, move_aside=move_aside)
    if as_json:
        emit_json(as_document(outcome))
    else:
        print_result(outcome)
    if not outcome.answered:
        raise Answer
