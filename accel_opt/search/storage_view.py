"""Several databases of studies as one storage that tells optuna-dashboard the truth.

The dashboard (0.21) reads constraints from a list that Optuna 5 does not write, and takes the
best value of all trials for the best trial. So this view shows each trial with that list, with
attributes that people can read, and answers with the feasible best. No database is changed.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Container, Sequence
from typing import Any

from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from typing_extensions import override

from accel_opt.search.artifacts import only_images
from accel_opt.search.conditions import CONDITIONS
from accel_opt.search.records import ATTRIBUTE
from accel_opt.search.verdicts import confirmed_trials

# With several databases, ids become id * _STRIDE + place; JavaScript's whole numbers suffice.
_STRIDE = 10_000
_LEGACY = "constraints"
_TRIAL_NOTE = re.compile(r"^(dashboard:)(\d+):")
_UNREADABLE = {ATTRIBUTE, "lease"}
NONE_FEASIBLE = "no trial is feasible so far"


class StorageView(BaseStorage):
    """See the module; notes are passed through, everything else is for reading.

    Args:
        storages: Gives the storages; asked again for every list of studies, so that a search
            that starts later is seen. A storage keeps its place.
        many: Whether there may ever be more than one; else ids stay as they are.
    """

    def __init__(self, storages: Callable[[], Sequence[BaseStorage]], *, many: bool) -> None:
        self._storages = storages
        self._stride = _STRIDE if many else 1
        self._shown: dict[int, FrozenTrial] = {}

    def _of(self, number: int) -> tuple[BaseStorage, int]:
        place = number % self._stride
        storages = self._storages()
        if place >= len(storages):
            raise KeyError(number)
        return storages[place], number // self._stride

    def _number(self, storage: BaseStorage, own: int) -> int:
        return own * self._stride + list(self._storages())[: self._stride].index(storage)

    def _outward(self, storage: BaseStorage, attributes: dict[str, Any]) -> dict[str, Any]:
        """A study's attributes with notes of trials under the ids that are shown."""

        def renamed(key: str) -> str:
            return _TRIAL_NOTE.sub(lambda m: f"{m[1]}{self._number(storage, int(m[2]))}:", key)

        return {renamed(key): value for key, value in only_images(attributes).items()}

    @override
    def get_all_studies(self) -> list[FrozenStudy]:
        found = []
        for storage in self._storages()[: self._stride]:
            for study in storage.get_all_studies():
                shown = copy.copy(study)
                shown.user_attrs = _conditions(study.user_attrs)
                shown.system_attrs = self._outward(storage, study.system_attrs)
                shown._study_id = self._number(storage, study._study_id)  # noqa: SLF001
                found.append(shown)
        return sorted(found, key=lambda study: study.study_name)

    @override
    def get_study_id_from_name(self, study_name: str) -> int:
        for storage in self._storages()[: self._stride]:
            try:
                return self._number(storage, storage.get_study_id_from_name(study_name))
            except KeyError:
                continue
        raise KeyError(study_name)

    @override
    def get_study_name_from_id(self, study_id: int) -> str:
        storage, own = self._of(study_id)
        return storage.get_study_name_from_id(own)

    @override
    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        storage, own = self._of(study_id)
        return storage.get_study_directions(own)

    @override
    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        storage, own = self._of(study_id)
        return storage.get_study_user_attrs(own)

    @override
    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        storage, own = self._of(study_id)
        return self._outward(storage, storage.get_study_system_attrs(own))

    @override
    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        storage, own = self._of(study_id)
        # The only attributes that can be written are notes; a trial's carries its id.
        inward = _TRIAL_NOTE.sub(lambda m: f"{m[1]}{int(m[2]) // self._stride}:", key)
        storage.set_study_system_attr(own, inward, value)

    @override
    def get_trial(self, trial_id: int) -> FrozenTrial:
        storage, own = self._of(trial_id)
        return self._show(storage, storage.get_trial(own))

    @override
    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        storage, own = self._of(study_id)
        trials = storage.get_all_trials(own, deepcopy=False, states=states)
        return [self._show(storage, trial) for trial in trials]

    @override
    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """The confirmed winner, else the feasible best, else what violates least, marked so."""
        storage, own = self._of(study_id)
        attributes = storage.get_study_user_attrs(own)
        epoch = len(json.loads(attributes.get(CONDITIONS, "[{}]"))) - 1
        trials = storage.get_all_trials(own, deepcopy=False, states=(TrialState.COMPLETE,))
        if not trials:
            raise ValueError("No trials are completed yet.")
        sign = 1 if storage.get_study_directions(own)[0] == StudyDirection.MAXIMIZE else -1
        confirmed = confirmed_trials(attributes, epoch)
        winners = [trial for trial in trials if trial.number in confirmed] or [
            trial for trial in trials if _may_win(trial, epoch)
        ]
        if winners:
            best = max(winners, key=lambda trial: sign * float(trial.values[0]))
            return self._show(storage, best)
        least = min(trials, key=_violation)
        shown = copy.copy(self._show(storage, least))
        shown.user_attrs = {NONE_FEASIBLE: "this one violates its limits least"} | shown.user_attrs
        return shown

    def _show(self, storage: BaseStorage, trial: FrozenTrial) -> FrozenTrial:
        number = self._number(storage, trial._trial_id)  # noqa: SLF001
        if number in self._shown:
            return self._shown[number]
        shown = copy.copy(trial)
        shown._trial_id = number  # noqa: SLF001
        shown.user_attrs = _readable(trial.user_attrs)
        values = list(trial.constraints.values())
        kept = only_images(trial.system_attrs)
        attributes = {k: v for k, v in kept.items() if not _is_constraint(k)}
        shown._system_attrs = attributes | ({_LEGACY: values} if values else {})  # noqa: SLF001
        if trial.state.is_finished():
            self._shown[number] = shown
        return shown

    @override
    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        raise NotImplementedError

    @override
    def delete_study(self, study_id: int) -> None:
        raise NotImplementedError

    @override
    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        raise NotImplementedError

    @override
    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        raise NotImplementedError

    @override
    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: Any
    ) -> None:
        raise NotImplementedError

    @override
    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        raise NotImplementedError

    @override
    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        raise NotImplementedError

    @override
    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        raise NotImplementedError

    @override
    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        raise NotImplementedError


def _conditions(attributes: dict[str, Any]) -> dict[str, Any]:
    """What people read of a study's attributes: ours for machines become the conditions."""
    if CONDITIONS not in attributes:
        return attributes
    others = {k: v for k, v in attributes.items() if not k.startswith("accel_opt:")}
    found: dict[str, Any] = json.loads(attributes[CONDITIONS])[-1]
    return found | others


def _may_win(trial: FrozenTrial, epoch: int) -> bool:
    if any(value > 0 for value in trial.constraints.values()):
        return False
    text = trial.user_attrs.get(ATTRIBUTE)
    if text is None:
        return True
    record = json.loads(text)
    return bool(record["outcome"] == "full" and record["epoch"] == epoch)


def _violation(trial: FrozenTrial) -> float:
    return sum(max(0.0, value) for value in trial.constraints.values())


def _is_constraint(key: str) -> bool:
    return key == _LEGACY or key.startswith(f"{_LEGACY}:")


def _readable(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes for people: nested ones side by side, ours for machines left out."""
    shown: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(value, dict):
            shown |= value
        elif name not in _UNREADABLE:
            shown[name] = value
    return shown
