"""Making and finishing a trial: one write each, where the storage can do that.

A worker that dies leaves a trial either as it was made or as it was told, wherever possible; and
what Optuna writes attribute by attribute costs a sync of the disk each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from accel_opt.search.space import Setting, Space

if TYPE_CHECKING:
    import optuna
    from optuna.trial import TrialState

_CONSTRAINT = "constraints:"


@dataclass(frozen=True)
class Running:
    """A trial that is being evaluated.

    Attributes:
        study: Its study.
        trial_id: The storage's id of it.
        number: Its number in the study.
    """

    study: optuna.Study
    trial_id: int
    number: int

    @property
    def storage(self) -> Any:
        """Where it is kept."""
        return self.study._storage  # noqa: SLF001 - Optuna has no public way to it


def start(
    study: optuna.Study, space: Space, setting: Setting, attributes: Mapping[str, str]
) -> Running:
    """A running trial of a setting, with its attributes, in one step.

    `Study.ask` would write every parameter by itself, which costs more than some batches.
    """
    from optuna.trial import TrialState, create_trial

    from accel_opt.search.strategies.optuna_own import distributions

    template = create_trial(
        state=TrialState.RUNNING,
        params=space.params(setting.point),
        distributions=distributions(space),
        user_attrs=dict(attributes),
    )
    storage = study._storage  # noqa: SLF001
    trial_id = storage.create_new_trial(study._study_id, template_trial=template)  # noqa: SLF001
    return Running(study, trial_id, storage.get_trial_number_from_id(trial_id))


def since(study: optuna.Study, first: int) -> list[optuna.trial.FrozenTrial]:
    """Trials from number `first` on, as they stand now, in order.

    A study of thousands is not listed anew for every step: only what may have changed is read.
    """
    import optuna

    storage, study_id = study._storage, study._study_id  # noqa: SLF001
    backend: Any = getattr(storage, "_backend", storage)
    if hasattr(backend, "since"):
        found: list[optuna.trial.FrozenTrial] = backend.since(study_id, first)
        return found
    if isinstance(storage, optuna.storages.JournalStorage):
        with storage._thread_lock:  # noqa: SLF001
            storage._sync_with_backend()  # noqa: SLF001
            replayed = storage._replay_result  # noqa: SLF001
            numbers = replayed._study_id_to_trial_ids[study_id][first:]  # noqa: SLF001
            return [replayed._trials[number] for number in numbers]  # noqa: SLF001
    return study.get_trials(deepcopy=False)[first:]


def finish(
    trial: Running,
    attributes: Mapping[str, Any],
    constraints: Mapping[str, float],
    state: TrialState,
    values: Sequence[float] = (),
) -> None:
    """Writes attributes and constraints into a running trial, and finishes it.

    Args:
        trial: The trial.
        attributes: User attributes.
        constraints: Constraints by name; one that is there already must not be given.
        state: What it becomes.
        values: Objective values; none for failed and stopped trials.

    Raises:
        UpdateFinishedTrialError: Somebody else has finished it.
    """
    import optuna

    storage, marks = trial.storage, {f"{_CONSTRAINT}{n}": float(v) for n, v in constraints.items()}
    backend = getattr(storage, "_backend", storage)

    def one_by_one(storage: optuna.storages.BaseStorage) -> None:
        for name, value in attributes.items():
            storage.set_trial_user_attr(trial.trial_id, name, value)
        for name, number in marks.items():
            storage.set_trial_system_attr(trial.trial_id, name, number)
        storage.set_trial_state_values(trial.trial_id, state, list(values) or None)

    if hasattr(backend, "finish"):
        backend.finish(trial.trial_id, attributes, marks, state, values)
    elif isinstance(storage, optuna.storages.JournalStorage):
        with backend.together():
            one_by_one(storage)
        _read_back(storage, len(attributes) + len(marks) + 1)
        # The thread that beats may have read it first, and nobody is told then.
        if storage.get_trial(trial.trial_id).state != state:
            raise optuna.exceptions.UpdateFinishedTrialError(f"trial {trial.number} is finished")
    else:
        one_by_one(storage)


def _read_back(storage: optuna.storages.JournalStorage, n_lines: int) -> None:
    """Has Optuna read what was written together; it may find that somebody else was faster.

    It says so once for every line, and reads no further: so it is asked that often.
    """
    import optuna

    refused: optuna.exceptions.UpdateFinishedTrialError | None = None
    for _ in range(n_lines + 1):
        try:
            storage._sync_with_backend()  # noqa: SLF001
            break
        except optuna.exceptions.UpdateFinishedTrialError as error:
            refused = error
    if refused is not None:
        raise refused
