"""The main job: search, confirm, export, write the program."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accel_opt import results
from accel_opt.codegen import generate_code
from accel_opt.core.command import resume_command
from accel_opt.core.errors import CorruptFileError, ExportRefusedError, InputError
from accel_opt.core.events import Notice, OnEvent, ignore
from accel_opt.core.files import file_name, write_atomically
from accel_opt.core.measurement import Best
from accel_opt.core.secrets import without_password
from accel_opt.core.spec import StudySpec
from accel_opt.facade.search import search_problem
from accel_opt.search.confirm import Verdict, winner_of
from accel_opt.search.confirm_study import confirm_study
from accel_opt.search.note import conclude
from accel_opt.search.pipeline_problem import PipelineProblem
from accel_opt.search.read import read_study, storage_of
from accel_opt.search.references import Comparison, Reference, compare, measure_references
from accel_opt.search.study import SearchResult


@dataclass(frozen=True)
class Outcome:
    """What the main job came to, and where everything lies.

    Attributes:
        spec: The resolved spec.
        conditions: What the numbers depend on.
        result: The search's result.
        params: The search_params.json that was written; None when nothing was exported.
        program: The runnable program; None likewise.
        references: The plain pipeline with fewer steps, a guidance cut-off.
        comparisons: The winner beside them at equal latency.
        keys: Keys under which the winner stands in `params`.
        resume: The command that goes on with this study.
    """

    spec: StudySpec
    conditions: dict[str, Any]
    result: SearchResult
    params: Path | None
    program: Path | None
    keys: tuple[str, ...]
    resume: str
    references: tuple[Reference, ...] = ()
    comparisons: tuple[Comparison, ...] = ()

    @property
    def answered(self) -> bool:
        """Whether there is what was asked for: a winner that was exported, or a front."""
        return self.params is not None or (self.spec.frontier and bool(self.result.pareto))

    @property
    def winner(self) -> Best | None:
        """The best setting, confirmed where confirmation ran."""
        return self.result.best


def run(
    spec: StudySpec,
    on_event: OnEvent = ignore,
    pipe: Any = None,
    *,
    move_aside: bool = False,
) -> Outcome:
    """Runs or resumes the main job.

    Args:
        spec: What is asked, unresolved.
        on_event: Told of every step.
        pipe: A pipeline of the caller's own.
        move_aside: Rename a search_params.json that cannot be read, instead of refusing.

    Raises:
        InputError: Something asked for cannot be done.
    """
    problem = PipelineProblem.from_spec(spec, pipe)
    try:
        return _run(problem, spec, on_event, move_aside=move_aside)
    finally:
        problem.close()


def _run(
    problem: PipelineProblem, spec: StudySpec, on_event: OnEvent, *, move_aside: bool
) -> Outcome:
    params_file = Path(problem.spec.out or ".") / "search_params.json"
    check_params(params_file, on_event, move_aside=move_aside)
    result = search_problem(problem, on_event)
    params: Path | None = None
    program: Path | None = None
    keys: tuple[str, ...] = ()
    winner = result.best
    references = measure_references(problem, on_event) if _wants_references(problem) else []
    comparisons = compare(winner, references, problem.spec.max_score_loss) if winner else []
    conclude(result, problem.plan().limits, references, comparisons)
    if winner is not None and not meets_target(problem.spec, winner):
        on_event(Notice(f"not exported: {missed(problem.spec, winner)}"))
    elif winner is not None and (winner.confirmed or not problem.spec.confirm):
        entry = entry_of(problem.spec, winner, problem.conditions)
        try:
            keys = tuple(results.merge(params_file, [entry]).written)
        except ExportRefusedError as error:
            on_event(Notice(f"not exported: {error}"))
        else:
            params = params_file
            program = params.parent / f"{program_name(problem.spec)}.py"
            write_atomically(program, generate_code(entry))
    return Outcome(
        spec=problem.spec,
        conditions=problem.conditions,
        result=result,
        params=params,
        program=program,
        keys=keys,
        resume=resume_command(spec),
        references=tuple(references),
        comparisons=tuple(comparisons),
    )


def check_params(path: Path, on_event: OnEvent = ignore, *, move_aside: bool = False) -> None:
    """Finds out before a search whether its result can be merged into a file.

    Raises:
        CorruptFileError: The file cannot be read; it is left as it is unless `move_aside`.
    """
    if not path.exists():
        return
    try:
        results.read(path)
    except CorruptFileError:
        if not move_aside:
            raise
        on_event(Notice(f"{path} cannot be read; moved aside to {results.set_aside(path)}"))


def _wants_references(problem: PipelineProblem) -> bool:
    if "references" in problem.spec.model_fields_set:
        return problem.spec.references
    return problem.model.references  # a first look should be an honest one


def confirm_again(
    study: str,
    storage: str | None = None,
    on_event: OnEvent = ignore,
    *,
    references: bool = True,
) -> tuple[list[Verdict], list[Comparison]]:
    """Confirms an existing study of a pipeline; nothing is exported.

    Args:
        study: Its name.
        storage: URL of its database; None looks below ./studies.
        on_event: Told of every look.
        references: Measure, or read, the references, and compare the first that holds.

    Raises:
        InputError: There is no such study, or it is no search of a pipeline.
    """
    where = storage or storage_of(study)
    found = read_study(study, where)
    if found.spec is None:
        raise InputError(f"study {study!r} is no search of a pipeline; use the library's seam")
    problem = PipelineProblem.from_spec(found.spec)
    problem.find(on_event)
    problem.evaluator.warm_up(int(problem.spec.batch_size or 1))
    try:
        verdicts = confirm_study(where, study, problem.evaluate, problem.plan(), on_event)
        holding = winner_of(verdicts)
        winner = holding.best if holding else None
        measured = measure_references(problem, on_event) if references and winner else []
    finally:
        problem.close()
    comparisons = compare(winner, measured, found.spec.max_score_loss) if winner else []
    return verdicts, comparisons


def entry_of(spec: StudySpec, winner: Best, conditions: dict[str, Any]) -> results.Entry:
    """The entry of search_params.json that a winner of a resolved spec makes."""
    return results.Entry.from_best(
        winner,
        model=spec.model,
        scheduler=spec.scheduler,
        steps=spec.steps,
        searched=spec.targets,
        max_score_loss=spec.max_score_loss,
        speedup=spec.speedup,
        latency_s=spec.latency,
        achieved_only=spec.achieved_only,
        conditions=conditions,
    )


def meets_target(spec: StudySpec, best: Best) -> bool:
    """Whether a setting is as fast as a spec requires; true in upper-bound mode."""
    if spec.latency is not None:
        return best.latency_s <= spec.latency
    return spec.speedup is None or best.speedup.value >= spec.speedup


def missed(spec: StudySpec, best: Best) -> str:
    """A sentence for a setting that does not meet its target."""
    if spec.latency is not None:
        return (
            f"the fastest feasible setting takes {best.latency_s:.3g} s per prompt, "
            f"{spec.latency:g} s are required"
        )
    return (
        f"the fastest feasible setting reaches {best.speedup.value:.3g}x, "
        f"{spec.speedup:g}x is required"
    )


def program_name(spec: StudySpec) -> str:
    """File stem of the program of a study's winner."""
    return file_name(f"{spec.model}_{spec.scheduler}_{spec.steps}_{'+'.join(spec.targets)}")


def estimate(spec: StudySpec) -> dict[str, Any]:
    """Seconds, prompts and disk that a search would take; measures a few baseline batches only."""
    problem = PipelineProblem.from_spec(spec)
    problem.find(ignore)
    plan = problem.plan()
    batch_s = problem.evaluator.warm_up(plan.batch_size)
    # A setting runs at about half the baseline's time; two baseline batches are timed beside it.
    evaluation_s = batch_s * (plan.n_batches * 0.5 + 2)
    trials = plan.trials or (int(plan.timeout_s / evaluation_s) if plan.timeout_s else None)
    return {
        "study": problem.spec.study,
        "storage": without_password(str(problem.spec.storage)),
        "settings": problem.space.size,
        "baseline_s_per_prompt": round(batch_s / plan.batch_size, 4),
        "evaluation_s": round(evaluation_s, 1),
        "evaluations": trials,
        "search_s": plan.timeout_s or round(evaluation_s * (trials or 0), 1),
        "disk_mib": round(0.05 * (trials or 0) + 1, 1),
        "conditions": problem.conditions,
    }
