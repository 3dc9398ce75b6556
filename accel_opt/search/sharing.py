"""What other workers have done since, read before every step under the step's lock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from accel_opt.search.leases import BUSY, LEASE, Leases
from accel_opt.search.ledger import Ledger
from accel_opt.search.lifecycle import close, record_of
from accel_opt.search.plan import SearchPlan
from accel_opt.search.space import Setting, Space
from accel_opt.search.trials import since

if TYPE_CHECKING:
    import optuna


@dataclass
class Sharing:
    """Keeps one worker's ledger equal to the study.

    Attributes:
        study: The study.
        space: What is searched.
        plan: Limits, whether there are two objectives.
        epoch: Which conditions are in force.
        ledger: What is kept up to date.
        leases: Tells the dead from the living.
    """

    study: optuna.Study
    space: Space
    plan: SearchPlan
    epoch: int
    ledger: Ledger
    leases: Leases
    _known: set[int] = field(default_factory=set)
    _first: int = 0

    def refresh(self) -> int:
        """Takes in what was told, closes trials of the dead, marks settings of the living.

        Called under the step's lock, while this worker evaluates nothing: a running trial that
        is its own is one that it never heard of making.

        Returns:
            How many trials of dead workers were closed.
        """
        trials = since(self.study, self._first)
        left = []
        for trial in trials:
            if not trial.state.is_finished():
                left.append(trial)
            elif trial.number not in self._known:
                self._take(trial)
        self._advance(trials)
        closed = self._settle(left)
        self.ledger.tidy()
        return closed

    def told(self, number: int) -> None:
        """Says that a trial is in the ledger already."""
        self._known.add(number)

    def _take(self, trial: optuna.trial.FrozenTrial) -> None:
        self._known.add(trial.number)
        record = record_of(trial)
        if record is not None and record.epoch == self.epoch:
            self.ledger.add(record)

    def _advance(self, trials: list[optuna.trial.FrozenTrial]) -> None:
        """Trials before the first one that may still change need no second look."""
        for trial in trials:
            if trial.number not in self._known:
                return
            self._known.discard(trial.number)
            self._first = trial.number + 1

    def _settle(self, left: list[optuna.trial.FrozenTrial]) -> int:
        states = self.leases.states({trial.user_attrs.get(LEASE, "") for trial in left})
        pending, closed = set(), 0
        for trial in left:
            state = states[trial.user_attrs.get(LEASE, "")]
            if state == "mine" and (self.study.study_name, trial.number) in BUSY:
                state = "alive"
            if state in ("dead", "mine") and self._close(trial):
                closed += 1
                continue
            point = self.space.point_of(trial.params)
            setting = self.space.resolve(point) if point is not None else None
            if isinstance(setting, Setting):
                pending.add(setting.key)
        self.ledger.pending = pending
        return closed

    def _close(self, trial: optuna.trial.FrozenTrial) -> bool:
        """Closes a trial of the dead; false when it finished meanwhile.

        A server may carry out the last words of a process after its death.
        """
        import optuna

        try:
            record = close(self.study, trial, self.space, self.plan, self.epoch)
        except optuna.exceptions.UpdateFinishedTrialError:
            return False
        self._known.add(trial.number)
        if record is not None and record.epoch == self.epoch:
            self.ledger.add(record)
        return True
