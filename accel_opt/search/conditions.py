"""What a study remembers of how it was measured, and when going on is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from accel_opt.core.errors import InputError, StudyMismatchError
from accel_opt.core.measurement import Limit
from accel_opt.search.foreign import is_foreign
from accel_opt.search.plan import SearchPlan
from accel_opt.search.space import Space

if TYPE_CHECKING:
    import optuna

SHAPE = "accel_opt:shape"
CONDITIONS = "accel_opt:conditions"
PLAN = "accel_opt:plan"
# Attribute of a study that holds the resolved spec it was made for.
SPEC = "accel_opt:spec"


def shape(space: Space, plan: SearchPlan) -> dict[str, Any]:
    """What may never change in a study: its parameters and what its numbers mean."""
    return {
        "parameters": space.shape,
        "limits": [
            [li.metric, li.limit, li.relative, li.higher_is_better, li.perfect]
            for li in plan.limits
        ],
        "objective": plan.objective,
        "frontier": plan.frontier,
        "items": plan.n_items,
        "batch size": plan.batch_size,
        "seed": plan.seed,
    }


def settle(study: optuna.Study, space: Space, plan: SearchPlan) -> tuple[int, str]:
    """Compares a study with what is asked of it, and remembers both.

    Returns:
        The epoch (how often conditions have changed), and a notice when they changed now.

    Raises:
        StudyMismatchError: The study is of another shape, or was measured under other
            conditions and drift is not allowed.
        InputError: The study has trials that accel_opt did not write.
    """
    attributes = study.user_attrs
    wanted = json.loads(json.dumps(shape(space, plan)))
    epoch, notice = 0, ""
    if SHAPE in attributes:
        _refuse_shape(study.study_name, json.loads(attributes[SHAPE]), wanted)
        epoch, notice = _settle_conditions(study, plan)
    elif not all(is_foreign(trial) for trial in study.get_trials(deepcopy=False)):
        raise InputError(
            f"study {study.study_name!r} holds trials that accel_opt did not write; "
            "choose another name with --study"
        )
    else:
        study.set_user_attr(CONDITIONS, json.dumps([dict(plan.conditions)]))
        study.set_user_attr(SHAPE, json.dumps(wanted))
    for name, text in {**plan.attributes, PLAN: json.dumps(_later(plan))}.items():
        if attributes.get(name) != text:
            study.set_user_attr(name, text)
    return epoch, notice


def plan_of(study: optuna.Study) -> SearchPlan:
    """The plan that a study was last searched with, as far as confirmation needs it.

    Raises:
        InputError: accel_opt did not write the study.
    """
    attributes = study.user_attrs
    if SHAPE not in attributes:
        raise InputError(f"study {study.study_name!r} was not written by accel_opt")
    kept = json.loads(attributes[SHAPE])
    return SearchPlan(
        limits=tuple(Limit(*parts) for parts in kept["limits"]),
        objective=kept["objective"],
        n_items=kept["items"],
        batch_size=kept["batch size"],
        seed=kept["seed"],
        conditions=json.loads(attributes[CONDITIONS])[-1],
        **json.loads(attributes.get(PLAN, "{}")),
    )


def epoch_of(study: optuna.Study) -> int:
    """How often a study's conditions have changed."""
    return len(_past(study)) - 1


def _past(study: optuna.Study) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(study.user_attrs.get(CONDITIONS, "[{}]"))
    return found


def _now(plan: SearchPlan) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(dict(plan.conditions)))
    return found


def check_conditions(study: optuna.Study, plan: SearchPlan) -> None:
    """Refuses to add measurements to those of another machine, other versions, other prompts.

    Raises:
        StudyMismatchError: With what differs.
    """
    past, now = _past(study), _now(plan)
    differences = _differences(past[-1], now)
    if differences:
        raise StudyMismatchError(
            f"study {study.study_name!r} was measured under other conditions: "
            f"{'; '.join(differences)}. Confirm it where it was measured, or start a new baseline "
            "in it with accel-opt search --allow-drift"
        )


def _later(plan: SearchPlan) -> dict[str, Any]:
    """What confirmation, run later and elsewhere, must know beside the shape."""
    names = (
        "confirm_items",
        "confirm_timeout_s",
        "confirm_candidates",
        "target_speedup",
        "target_latency_s",
        "trial_timeout_s",
    )
    return {name: getattr(plan, name) for name in names}


def _refuse_shape(name: str, had: dict[str, Any], wanted: dict[str, Any]) -> None:
    differences = _differences(had, wanted)
    if differences:
        raise StudyMismatchError(
            f"study {name!r} is of another shape: {'; '.join(differences)}. "
            "Choose another name with --study, or ask for the same again"
        )


def _settle_conditions(study: optuna.Study, plan: SearchPlan) -> tuple[int, str]:
    past, now = _past(study), _now(plan)
    differences = _differences(past[-1], now)
    if not differences:
        return len(past) - 1, ""
    text = "; ".join(differences)
    if not plan.allow_drift:
        raise StudyMismatchError(
            f"study {study.study_name!r} was measured under other conditions: {text}. "
            "Choose another name with --study, or start a new baseline in it with --allow-drift"
        )
    study.set_user_attr(CONDITIONS, json.dumps([*past, now]))
    return len(past), f"conditions changed ({text}): earlier measurements are set aside"


def _differences(had: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    return [
        f"{key} {_short(had.get(key))} there, {_short(wanted.get(key))} here"
        for key in dict.fromkeys([*had, *wanted])
        if had.get(key) != wanted.get(key)
    ]


def _short(value: Any) -> str:
    text = "none" if value is None else json.dumps(value)
    return text if len(text) <= 160 else text[:157] + "..."
