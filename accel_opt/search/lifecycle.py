"""Opening and resuming a study: leftovers of dead processes are closed, records read back."""

from __future__ import annotations

import os
import socket
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from accel_opt.core.errors import InputError
from accel_opt.search.ledger import Ledger, fill
from accel_opt.search.plan import SearchPlan
from accel_opt.search.records import ATTRIBUTE, Record
from accel_opt.search.space import Setting, Space
from accel_opt.search.strategies.optuna_own import distributions
from accel_opt.search.telling import directions, tell

if TYPE_CHECKING:
    import optuna

LEASE = "lease"


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


def start_trial(study: optuna.Study, space: Space, setting: Setting) -> optuna.Trial:
    """A running trial of a setting, with its lease, written in one transaction.

    `Study.ask` would commit every parameter by itself, which costs more than some batches.
    """
    from optuna.trial import Trial, TrialState, create_trial

    template = create_trial(
        state=TrialState.RUNNING,
        params=space.params(setting.point),
        distributions=distributions(space),
        user_attrs={"setting": str(setting.config), LEASE: lease()},
    )
    number = study._storage.create_new_trial(study._study_id, template_trial=template)  # noqa: SLF001
    return Trial(study, number)


def lease() -> str:
    """Who evaluates a trial: host, process and when it started, for pids are used again."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def lease_state(text: str) -> str:
    """Says of a lease: mine, dead, alive, or (of a process on another host) unknown."""
    host, pid, started = text.rsplit(":", 2)
    if host != socket.gethostname():
        return "unknown"
    if int(pid) == os.getpid():
        return "mine"
    return "alive" if started and _started(int(pid)) == started else "dead"


def close_leftovers(study: optuna.Study, space: Space, plan: SearchPlan, epoch: int) -> int:
    """Closes RUNNING trials of dead processes, so that their settings are tried again.

    Returns:
        How many there were.

    Raises:
        InputError: A living process works on the study, which this storage cannot share.
    """
    from optuna.trial import TrialState

    left = study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING))
    for trial in left:
        owner = trial.user_attrs.get(LEASE, "")
        if owner and lease_state(owner) in ("alive", "unknown"):
            raise InputError(
                f"study {study.study_name!r} is being searched by process {owner.split(':')[1]} "
                f"on {owner.split(':')[0]}; wait for it or stop it"
            )
    for trial in left:
        _close(study, trial, space, plan, epoch)
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


def _close(
    study: optuna.Study,
    trial: optuna.trial.FrozenTrial,
    space: Space,
    plan: SearchPlan,
    epoch: int,
) -> None:
    from optuna.trial import Trial, TrialState

    handle = Trial(study, trial._trial_id)  # noqa: SLF001
    point = space.point_of(trial.params)
    setting = space.resolve(point) if point is not None else None
    if ATTRIBUTE in trial.user_attrs:
        # It died while telling: the measurement is complete and must not be lost.
        record = Record.from_text(trial.number, trial.user_attrs[ATTRIBUTE])
    elif isinstance(setting, Setting):
        record = interrupted(setting, trial.number, epoch)
    else:
        study.tell(trial.number, state=TrialState.FAIL)
        return
    tell(study, handle, record, plan, pruned=False, written=frozenset(trial.constraints))


def read_ledger(study: optuna.Study, plan: SearchPlan, epoch: int) -> Ledger:
    """What the study knows under the present conditions."""
    records = []
    for trial in study.get_trials(deepcopy=False):
        text = trial.user_attrs.get(ATTRIBUTE)
        if text is not None and trial.state.is_finished():
            record = Record.from_text(trial.number, text)
            if record.epoch == epoch:
                records.append(record)
    return fill(Ledger(plan.limits), records)


def _started(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]
