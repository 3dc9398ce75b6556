"""Opening and resuming a study: leftovers of dead processes are closed, records read back."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from accel_opt.core.errors import InputError
from accel_opt.search.leases import LEASE, Owner, me
from accel_opt.search.ledger import Ledger, fill
from accel_opt.search.plan import SearchPlan
from accel_opt.search.records import ATTRIBUTE, Record
from accel_opt.search.space import Setting, Space
from accel_opt.search.telling import directions, tell
from accel_opt.search.trials import Running, finish, start

if TYPE_CHECKING:
    import optuna

__all__ = ["LEASE", "close", "close_leftovers", "create_study", "interrupted", "read_ledger"]


def create_study(storage: optuna.storages.BaseStorage, name: str, plan: SearchPlan) -> optuna.Study:
    """The study of a name, made where it is missing.

    Raises:
        InputError: A study of that name has other objectives.
    """
    import optuna

    study = optuna.create_study(
        storage=storage, study_name=name, load_if_exists=True, directions=directions(plan)
    )
    if [d.name.lower() for d in study.directions] != directions(plan):
        raise InputError(f"study {name!r} has other objectives; choose another name with --study")
    if not study.metric_names:
        names = [plan.objective, f"{plan.limits[0].metric}_loss"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(names if plan.frontier else names[:1])
    return study


def start_trial(study: optuna.Study, space: Space, setting: Setting) -> Running:
    """A running trial of a setting, with its lease, written in one transaction."""
    return start(study, space, setting, {"setting": str(setting.config), LEASE: str(me())})


def close_leftovers(study: optuna.Study, space: Space, plan: SearchPlan, epoch: int) -> int:
    """Closes RUNNING trials of dead processes, so that their settings are tried again.

    For storages that one process has to itself; where they are shared, `sharing` does it.

    Returns:
        How many there were.

    Raises:
        InputError: A living process works on the study, which this storage cannot share.
    """
    from optuna.trial import TrialState

    left = study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING))
    for trial in left:
        owner = Owner.from_text(trial.user_attrs.get(LEASE, ""))
        if owner is not None and owner.state() in ("alive", "unknown"):
            raise InputError(
                f"study {study.study_name!r} is being searched by process {owner.pid} "
                f"on {owner.host}; wait for it or stop it, or share the work: --workers 2"
            )
    for trial in left:
        close(study, trial, space, plan, epoch)
    return len(left)


def interrupted(setting: Setting, number: int, epoch: int) -> Record:
    """The record of an evaluation that was cut off; its setting is tried again."""
    return Record(
        number=number,
        config=setting.config,
        key=setting.key,
        outcome="interrupted",
        point=setting.point,
        reason="interrupted; tried again",
        epoch=epoch,
    )


def close(
    study: optuna.Study,
    trial: optuna.trial.FrozenTrial,
    space: Space,
    plan: SearchPlan,
    epoch: int,
) -> Record | None:
    """Closes a trial whose process is dead.

    Returns:
        What is known of it; None when its setting is none of the space.
    """
    from optuna.trial import TrialState

    handle = Running(study, trial._trial_id, trial.number)  # noqa: SLF001
    point = space.point_of(trial.params)
    setting = space.resolve(point) if point is not None else None
    if ATTRIBUTE in trial.user_attrs:
        # It died while telling: the measurement is complete and must not be lost.
        record = Record.from_text(trial.number, trial.user_attrs[ATTRIBUTE])
    elif isinstance(setting, Setting):
        record = interrupted(setting, trial.number, epoch)
    else:
        finish(handle, {}, {}, TrialState.FAIL)
        return None
    tell(handle, record, plan, pruned=False, written=frozenset(trial.constraints))
    return record


def record_of(trial: optuna.trial.FrozenTrial) -> Record | None:
    """The record of a finished trial; None when it has none."""
    text = trial.user_attrs.get(ATTRIBUTE)
    if text is None or not trial.state.is_finished():
        return None
    return Record.from_text(trial.number, text)


def read_ledger(study: optuna.Study, plan: SearchPlan, epoch: int) -> Ledger:
    """What the study knows under the present conditions."""
    found = (record_of(trial) for trial in study.get_trials(deepcopy=False))
    records = (record for record in found if record is not None and record.epoch == epoch)
    return fill(Ledger(plan.limits), records)
