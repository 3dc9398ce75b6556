"""What a worker searches: read from the study, or named by whoever starts it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel_opt.core.errors import InputError, UnknownNameError
from accel_opt.core.files import file_name
from accel_opt.core.measurement import Evaluate
from accel_opt.core.spec import StudySpec
from accel_opt.search.conditions import SPEC
from accel_opt.search.evaluators import imported
from accel_opt.search.plan import SearchPlan
from accel_opt.search.space import Space
from accel_opt.search.storage import open_storage

if TYPE_CHECKING:
    import optuna

# Set where the processors of a host are divided: it changes what is measured.
THREADS = "ACCEL_OPT_WORKER_THREADS"


@dataclass(frozen=True)
class Problem:
    """Everything that a worker needs.

    Attributes:
        space: What is searched.
        evaluate: Measures one batch of one setting.
        plan: Limits, budget, rules.
    """

    space: Space
    evaluate: Evaluate | str
    plan: SearchPlan


def named(name: str) -> Problem:
    """The problem that "module:function" returns.

    Raises:
        InputError: It is not of that form, cannot be found, or returns something else.
    """
    found = imported(name)()
    if not isinstance(found, Problem):
        raise InputError(
            f"problem {name!r} returns {type(found).__name__}; it should return "
            "accel_opt.search.workers.problem.Problem(space, evaluate, plan)"
        )
    return found


def of_study(
    storage: str, study: str, *, device: str | None = None, out: Path | None = None
) -> Problem:
    """The problem of a study of a pipeline, from what the study keeps of itself.

    A study is data, perhaps somebody else's: it names a model and ranges, never code, and where
    this worker writes is decided here.

    Args:
        storage: URL of the database.
        study: Its name.
        device: Device of this worker; None takes the best there is.
        out: Folder for sample images; below ./studies by default.

    Raises:
        UnknownNameError: There is no such study.
        InputError: The study does not say what it searches.
    """
    import optuna

    opened = open_storage(storage)
    names = optuna.study.get_all_study_names(opened)
    if study not in names:
        raise UnknownNameError("study", study, names, "See: accel-opt show studies --storage URL")
    text = optuna.load_study(study_name=study, storage=opened).user_attrs.get(SPEC)
    if text is None:
        raise InputError(
            f"study {study!r} does not say what it searches, as it is no search of a pipeline; "
            "say it with --problem my_module:function"
        )
    spec = spec_from(text).model_copy(
        update={
            "storage": None,
            "study": study,
            "out": out or Path("studies") / file_name(study),
            "device": device,
            "workers": 1,
            "engine": "local",
            "ray_address": None,
        }
    )
    return of_spec(spec, {SPEC: text})


def spec_from(text: str) -> StudySpec:
    """The spec that a study keeps.

    Raises:
        InputError: It is none of ours.
    """
    from pydantic import ValidationError

    try:
        return StudySpec.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"the study's own description cannot be read ({first['loc']}: {first['msg']}); "
            "it was made by another version of accel_opt"
        ) from None


def of_spec(spec: StudySpec, attributes: Mapping[str, str]) -> Problem:
    """The problem of a spec; its model is loaded and warmed up here."""
    from accel_opt.search.pipeline_problem import PipelineProblem

    problem = PipelineProblem.from_spec(spec)
    plan, space = problem.plan(), problem.space
    # This machine's own baseline is measured beside every setting; this is its first run.
    problem.evaluator.warm_up(plan.batch_size)
    kept = dict(plan.attributes) | dict(attributes)
    return Problem(space, problem.evaluate, replace(plan, attributes=kept, allow_drift=False))


def divided(plan: SearchPlan, threads: int | None = None) -> SearchPlan:
    """The plan with the number of threads among its conditions, where a host's are divided."""
    text = os.environ.get(THREADS, "") if threads is None else str(threads)
    if not text.isdigit() or int(text) < 1:
        return plan
    return replace(plan, conditions=dict(plan.conditions) | {"threads": int(text)})


def prepare(study: optuna.Study, spec: StudySpec) -> None:
    """Writes into a new study what it searches, so that workers can join it."""
    if SPEC not in study.user_attrs:
        study.set_user_attr(SPEC, described(spec))


def described(spec: StudySpec) -> str:
    """A spec as a study keeps it: without secrets, and without who works on it."""
    data: dict[str, Any] = json.loads(spec.model_dump_json())
    return json.dumps(data | {"workers": 1, "engine": "local", "ray_address": None})
