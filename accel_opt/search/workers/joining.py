"""One worker's share of a study: join, search until a rule ends it, leave."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from accel_opt.core.errors import StudyMismatchError
from accel_opt.core.events import Notice, OnEvent, ignore
from accel_opt.search.conditions import SPEC
from accel_opt.search.storage import check_shareable
from accel_opt.search.strategies import Ending
from accel_opt.search.study import work
from accel_opt.search.workers.problem import Problem, divided, spec_from


def join(
    problem: Problem,
    storage: str,
    study: str,
    *,
    seconds: float | None = None,
    allow_drift: bool = False,
    apart: bool = False,
    out: Path | None = None,
    on_event: OnEvent = ignore,
) -> Ending:
    """Searches a study together with whoever else does.

    Args:
        problem: What is searched.
        storage: URL of a Journal or of PostgreSQL.
        study: Name of the study.
        seconds: Seconds that are left; None takes what the study's plan says.
        allow_drift: Go on under other conditions; earlier measurements are set aside.
        apart: Where this machine differs from the study's, search a study of its own beside it.
        out: Folder for sample images; None takes what the problem's plan says.
        on_event: Told of every step.

    Returns:
        Why it ended.

    Raises:
        StudyMismatchError: This machine differs, and `apart` was not asked for.
        InputError: The storage cannot be shared.
    """
    check_shareable(storage, 2)
    plan = replace(divided(problem.plan), allow_drift=allow_drift, out=out or problem.plan.out)
    if seconds is not None:
        plan = replace(plan, timeout_s=seconds)
    mine = replace(problem, plan=plan)
    try:
        return _work(mine, storage, study, on_event)
    except StudyMismatchError as error:
        differences = str(error).partition(". Choose")[0]
        if not apart:
            raise StudyMismatchError(
                f"this worker is refused: {differences}. Numbers of unlike machines do not "
                "compare; --apart keeps this one's in a study of their own"
            ) from None
        own = beside(study, mine)
        on_event(Notice(f"{differences}: kept apart in study {own!r}"))
        return _work(_renamed(mine, own), storage, own, on_event)


def beside(study: str, problem: Problem) -> str:
    """Name of the study for machines like this one."""
    text = json.dumps(dict(problem.plan.conditions), sort_keys=True)
    return f"{study}-apart-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _work(problem: Problem, storage: str, study: str, on_event: OnEvent) -> Ending:
    return work(
        problem.space,
        problem.evaluate,
        problem.plan,
        storage=storage,
        study_name=study,
        on_event=on_event,
    )


def _renamed(problem: Problem, study: str) -> Problem:
    attributes = dict(problem.plan.attributes)
    if SPEC in attributes:
        spec = spec_from(attributes[SPEC]).model_copy(update={"study": study})
        attributes[SPEC] = spec.model_dump_json()
    return replace(problem, plan=replace(problem.plan, attributes=attributes))
