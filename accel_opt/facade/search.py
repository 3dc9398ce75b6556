"""`accel_opt.search`: the whole engine as one function."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from accel_opt.core.errors import InputError
from accel_opt.core.events import Notice, OnEvent, ignore
from accel_opt.core.files import file_name
from accel_opt.core.measurement import Evaluate
from accel_opt.core.spec import StudySpec, make_spec
from accel_opt.facade.workers import place, together
from accel_opt.metrics import check_scorable
from accel_opt.pipelines.devices import default_device, device_of
from accel_opt.search.lifecycle import create_study
from accel_opt.search.pipeline_problem import PipelineProblem
from accel_opt.search.plan import SearchPlan
from accel_opt.search.space import Space
from accel_opt.search.storage import check_shareable, open_storage
from accel_opt.search.study import SearchResult, clear_errors
from accel_opt.search.study import search as run_search
from accel_opt.search.workers.crew import Order
from accel_opt.search.workers.problem import divided, named


def search(
    pipe: Any = None,
    *,
    space: Space | None = None,
    evaluate: Evaluate | str | None = None,
    problem: str | None = None,
    on_event: OnEvent = ignore,
    **options: Any,
) -> SearchResult:
    """Searches the fastest setting whose quality loss stays under the limit.

    Three ways to call it: by name (`model="SD1.5", scheduler="DDIM", steps=50, ...`), with a
    pipeline of your own as the first argument, or over anything measurable with `space=` and
    `evaluate=`. The same call again goes on where an earlier one stopped.

    Args:
        pipe: A text-to-image pipeline that you built yourself (LoRA, own scheduler, ...); it is
            left as it was, and its own scheduler is used unless `scheduler` names another.
        space: What is searched, instead of accelerators.
        evaluate: Measures one batch of one setting; "module:function" can be killed when it
            hangs, and is confirmed in a fresh process.
        problem: "module:function" that returns both and a plan, as an
            `accel_opt.search.workers.problem.Problem`: then `workers=8` searches it in as many
            processes. Needs `storage`; further options are `study`, `engine`, `ray_address`.
        on_event: Told of every step; see `accel_opt.core.events`.
        **options: Fields of `StudySpec` (model, scheduler, steps, accelerators, max_score_loss,
            trials, timeout, storage, seed, ...); with `space`, fields of `SearchPlan`, and
            storage and study.

    Returns:
        The result: `best` (None when nothing was feasible), `study`, `pareto`, `trials`.

    Raises:
        InputError: An option is wrong, or a study of that name was made under other conditions.
    """
    if (space is None) != (evaluate is None):
        raise InputError("space and evaluate go together; give both, or neither")
    if problem is not None:
        return _search_named(problem, on_event, **options)
    if space is not None and evaluate is not None:
        storage, study = options.pop("storage", None), options.pop("study", "search")
        plan = _plan(options)
        return run_search(
            space, evaluate, plan, storage=storage, study_name=study, on_event=on_event
        )
    if pipe is not None:
        options = _from_pipe(pipe, options)
    found = PipelineProblem.from_spec(make_spec(**options), pipe)
    try:
        return search_problem(found, on_event)
    finally:
        found.close()


def search_problem(problem: PipelineProblem, on_event: OnEvent = ignore) -> SearchResult:
    """Searches a pipeline problem: loads, warms up, searches, confirms."""
    spec = problem.spec
    if spec.weights == "random":
        raise InputError(
            "weights='random' has no quality to search under; accel_opt.search_work ranks its "
            "settings by FLOPs or seconds"
        )
    if problem.given_pipe is not None:
        check_scorable(problem.given_pipe, ("clip", *spec.max_loss))
    _check_folder(spec)
    _check_memory(problem)
    # What is wrong with the database is said before a model is loaded.
    if spec.workers > 1 or spec.engine == "ray":
        check_shareable(str(spec.storage), max(2, spec.workers))
    open_storage(spec.storage)
    problem.find(on_event)
    ended, threads = None, None
    if spec.workers > 1 or spec.engine == "ray":
        if problem.given_pipe is not None:
            raise InputError(
                "a pipeline of your own cannot be sent to other processes; leave workers out, or "
                "name a model"
            )
        ended, threads = together(spec, on_event)
    # What does not fit the pipeline is said before prompts and scorer are fetched.
    space = problem.space
    plan = divided(problem.plan(), threads)
    if ended is not None:
        plan = replace(plan, allow_drift=False)
    seconds = problem.evaluator.warm_up(plan.batch_size)
    on_event(
        Notice(
            f"baseline {seconds / plan.batch_size:.3g} s per prompt, batches of "
            f"{plan.batch_size}, {problem.conditions['dtype']} on {problem.conditions['device']}"
        )
    )
    if problem.uncounted:
        why = problem.uncounted.reason.partition(";")[0]
        on_event(Notice(f"{why}; settings are compared by measured seconds alone"))
    return run_search(
        space,
        problem.evaluate,
        plan,
        storage=spec.storage,
        study_name=str(spec.study),
        on_event=on_event,
        ended=ended,
    )


def _check_memory(problem: PipelineProblem) -> None:
    given = problem.given_pipe
    device = device_of(given) if given is not None else problem.spec.device or default_device()
    if problem.spec.objective == "memory" and not device.startswith("cuda"):
        raise InputError(
            f"objective 'memory': only CUDA devices tell their peak memory, and this runs on "
            f"{device}; choose --objective speedup or flops"
        )


def _search_named(
    name: str,
    on_event: OnEvent,
    *,
    storage: str | None = None,
    study: str = "search",
    workers: int = 1,
    engine: str = "local",
    ray_address: str | None = None,
    out: str | Path | None = None,
) -> SearchResult:
    found = named(name)
    ended, threads = None, None
    if workers > 1 or engine == "ray":
        check_shareable(storage or "memory", max(2, workers))
        with clear_errors(storage):
            create_study(open_storage(storage), study, found.plan)
        folder = Path(out or Path("studies") / file_name(study)).resolve()
        order = Order(str(storage), study, folder, name, seconds=found.plan.timeout_s)
        ended, threads = place(order, workers, engine, ray_address, on_event)
    return run_search(
        found.space,
        found.evaluate,
        divided(found.plan, threads),
        storage=storage,
        study_name=study,
        on_event=on_event,
        ended=ended,
    )


def _plan(options: dict[str, Any]) -> SearchPlan:
    try:
        return SearchPlan(**options)
    except TypeError as error:
        known = ", ".join(SearchPlan.__dataclass_fields__)
        raise InputError(f"{error}; with space= and evaluate= these are known: {known}") from None


def _from_pipe(pipe: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Options that a pipeline answers itself."""
    from accel_opt.facade.apply import model_name
    from accel_opt.pipelines.schedulers import scheduler_class_name

    own = type(pipe.scheduler).__name__
    wanted = options.get("scheduler")
    if wanted is not None and scheduler_class_name(wanted) != own:
        raise InputError(
            f"scheduler={wanted!r}, but the pipeline runs under {own}; set it on the pipeline, "
            "or leave scheduler out"
        )
    named = model_name(pipe)
    if named == type(pipe).__name__ and "model" not in options:
        raise InputError(
            f"this {named} has no name, as it was built from parts or read from a single file; "
            "give model='a name of yours', so that its study is no other pipeline's"
        )
    return {"model": named, "scheduler": own} | options


def _check_folder(spec: StudySpec) -> None:
    folder = Path(spec.out or ".")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".accel_opt-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"cannot write to {folder}: {error.strerror}; choose another folder with --out"
        ) from error
