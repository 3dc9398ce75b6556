"""The loop of a search: propose, reserve, evaluate, tell, and know when to end."""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from accel_opt.core.errors import InputError
from accel_opt.core.events import Notice, OnEvent, TrialFinished, TrialStarted
from accel_opt.core.measurement import Evaluate
from accel_opt.search.artifacts import Kept
from accel_opt.search.evaluation import evaluate_setting
from accel_opt.search.failures import describe
from accel_opt.search.leases import BUSY
from accel_opt.search.ledger import Ledger
from accel_opt.search.lifecycle import interrupted, start_trial
from accel_opt.search.locks import NoLock, StepLock
from accel_opt.search.note import write_note
from accel_opt.search.plan import SearchPlan
from accel_opt.search.records import Record
from accel_opt.search.sharing import Sharing
from accel_opt.search.space import Setting, Space
from accel_opt.search.strategies import Ending, Proposal, Strategy, View
from accel_opt.search.telling import tell
from accel_opt.search.trials import Running

if TYPE_CHECKING:
    import optuna

# How long a worker with nothing to start waits before it looks whether others are done.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.02, 0.5
# A note is a few writes to the database: fast searches are not held up by theirs.
_NOTE_EVERY_S = 1.0


@dataclass(frozen=True)
class _Wait:
    """Nothing to start now, but what others evaluate may change that."""

    ending: Ending


@dataclass
class Session:
    """One process working on one study.

    Attributes:
        study: The study.
        space: What is searched.
        evaluate: Measures one batch.
        plan: Limits, budget, rules.
        strategy: Decides what comes next.
        ledger: What is known.
        epoch: Which conditions of the study are in force.
        on_event: Told of every step.
        lock: Held while a setting is chosen and reserved; several workers share one.
        sharing: Keeps the ledger equal to a study that others work on too; None for one's own.
        sampler_s: Processor seconds spent on choosing, per trial.
    """

    study: optuna.Study
    space: Space
    evaluate: Evaluate
    plan: SearchPlan
    strategy: Strategy
    ledger: Ledger
    epoch: int
    on_event: OnEvent
    lock: StepLock = field(default_factory=NoLock)
    sharing: Sharing | None = None

    def __post_init__(self) -> None:
        self._own_failures = 0
        self._waited: tuple[int, frozenset[str], Ending] | None = None
        self.sampler_s: list[float] = []
        self._start = time.monotonic()
        # Failures of an earlier run say nothing of this one: the cable may be in again.
        self._first = len(self.ledger.records)
        best = self.ledger.best
        self._noted = (self._first, best.number if best else None)
        self._note_at = 0.0
        self._kept = Kept(self.study, self.plan.out, self.on_event)

    def run(self) -> Ending:
        """Searches until a rule ends it; every trial is told before anything is raised."""
        wait_s = _FIRST_WAIT_S
        while True:
            with self.lock:
                step = self._step()
            if isinstance(step, Ending):
                return step
            if isinstance(step, _Wait):
                time.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                continue
            wait_s = _FIRST_WAIT_S
            self._evaluate(*step)

    def _step(self) -> tuple[Setting, Running] | Ending | _Wait:
        """One step under the lock: look around, decide, reserve."""
        if self.sharing is not None:
            closed = self.sharing.refresh()
            if closed:
                self.on_event(Notice(f"{closed} evaluation(s) of dead workers will be tried again"))
        ending = self._budget()
        self._note(last=ending is not None)
        if ending:
            return ending
        proposal = self._proposal()
        if not isinstance(proposal, Setting):
            return proposal
        trial = self._reserve(proposal)
        if self.lock.held():
            return proposal, trial
        # The lock broke while this was chosen, so another worker may have reserved the same.
        self._finish(trial, interrupted(proposal, trial.number, self.epoch))
        BUSY.discard((self.study.study_name, trial.number))
        return _Wait(Ending("lock", "the lock was lost"))

    def _note(self, *, last: bool) -> None:
        """Keeps the study's note up to date; under the lock, by what all workers have told."""
        best = self.ledger.best
        state = (len(self.ledger.records), best.number if best else None)
        now = time.monotonic()
        if state == self._noted or not (last or state[1] != self._noted[1] or now > self._note_at):
            return
        write_note(self.study, self.ledger)
        self._noted, self._note_at = state, now + _NOTE_EVERY_S

    def _proposal(self) -> Setting | Ending | _Wait:
        """What to evaluate; an ending is final only when nobody evaluates anything any more."""
        pending = frozenset(self.ledger.pending)
        plan, n = self.plan, len(self.ledger.records)
        if plan.trials is not None and pending and n + len(pending) >= plan.trials:
            return _Wait(Ending("trials", f"{plan.trials} evaluations, as asked"))
        if self._waited and self._waited[:2] == (n, pending) and not self.ledger.retry:
            return _Wait(self._waited[2])
        started = time.thread_time()
        proposal = self._propose()
        self.sampler_s.append(time.thread_time() - started)
        if isinstance(proposal, Ending) and pending:
            self._waited = (n, pending, proposal)
            return _Wait(proposal)
        return proposal

    def _propose(self) -> Proposal:
        while self.ledger.retry:
            record = self.ledger.retry[0]
            setting = self.space.resolve(record.point)
            if isinstance(setting, Setting) and not self.ledger.taken(setting.key):
                return setting
            self.ledger.retry.pop(0)
        entropy = (self.plan.seed, len(self.ledger.records), len(self.ledger.pending))
        rng = np.random.default_rng(np.random.SeedSequence(entropy))
        view = View(self.space, self.ledger, self.plan, rng, self.study)
        return self.strategy.propose(view)

    def _reserve(self, setting: Setting) -> Running:
        trial = start_trial(self.study, self.space, setting)
        BUSY.add((self.study.study_name, trial.number))
        self.ledger.pending.add(setting.key)
        self.ledger.retry = [r for r in self.ledger.retry if r.key != setting.key]
        return trial

    def _evaluate(self, setting: Setting, trial: Running) -> None:
        try:
            self._measure(setting, trial)
        finally:
            BUSY.discard((self.study.study_name, trial.number))

    def _measure(self, setting: Setting, trial: Running) -> None:
        self.on_event(TrialStarted(trial.number, setting.config))
        start = time.monotonic()
        try:
            record = evaluate_setting(
                setting,
                trial.number,
                evaluate=self._kept.watch(self.evaluate),
                space=self.space,
                plan=self.plan,
                ledger=self.ledger,
                on_event=self.on_event,
            )
        except InputError:
            self._finish(trial, interrupted(setting, trial.number, self.epoch))
            raise
        except Exception as error:  # noqa: BLE001 - whatever an evaluator raises fails its trial only
            word, text = describe(error)
            record = Record(
                trial.number,
                setting.config,
                setting.key,
                "failed",
                point=setting.point,
                reason=f"{word}: {text}" if word not in text else text,
                wall_s=time.monotonic() - start,
            )
        except BaseException:
            self._finish(trial, interrupted(setting, trial.number, self.epoch))
            raise
        self._finish(trial, replace(record, epoch=self.epoch))

    def _finish(self, trial: Running, record: Record) -> None:
        if not self._tell(trial, record):
            return
        self.ledger.add(record)
        if record.outcome == "interrupted":
            return
        self._own_failures = self._own_failures + 1 if record.outcome == "failed" else 0
        best = self.ledger.best
        self.on_event(
            TrialFinished(
                number=record.number,
                config=record.config,
                outcome=record.outcome,
                speedup=math.exp(record.speed.value),
                losses={name: loss.value for name, loss in record.losses.items()},
                feasible=record.feasible(self.plan.limits),
                best=self.ledger.show(best) if best else None,
                trials_done=len(self.ledger.records),
                reason=record.reason,
            )
        )

    def _tell(self, trial: Running, record: Record) -> bool:
        """Tells a trial; false when others had given this worker up and closed it."""
        import optuna

        try:
            self._kept.upload(trial)
            tell(trial, record, self.plan, pruned=self.strategy.tells_pruned)
        except optuna.exceptions.UpdateFinishedTrialError:
            if self.sharing is None:
                raise
            self.on_event(
                Notice(f"trial {trial.number}: others took this worker for dead; it is tried again")
            )
            return False
        if self.sharing is not None:
            self.sharing.told(trial.number)
        return True

    def _budget(self) -> Ending | None:
        records, plan = self.ledger.records, self.plan
        if self.ledger.failures_in_a_row(self._first) >= plan.max_failures:
            text = (
                f"{plan.max_failures} evaluations in a row failed, the last: {records[-1].reason}"
            )
            return Ending("failures", text)
        if self._own_failures >= plan.max_failures:
            # Others may succeed; what fails everything must not go on spoiling settings.
            return Ending("failures", f"the last {self._own_failures} evaluations here failed")
        reached = target_reached(self.ledger, plan)
        if reached:
            return Ending("target", f"trial {reached.number} reaches the target")
        if plan.trials is not None and len(records) >= plan.trials:
            return Ending("trials", f"{len(records)} evaluations, as asked")
        if len(records) >= plan.infeasible_after and self.ledger.best is None and not plan.frontier:
            return Ending("infeasible", f"none of {len(records)} evaluations was feasible")
        return self._time()

    def _time(self) -> Ending | None:
        if self.plan.timeout_s is None:
            return None
        left = self.plan.timeout_s - (time.monotonic() - self._start)
        needed = expected_seconds(self.ledger, self.plan)
        if left > 0 and left >= 0.8 * needed:
            return None
        why = (
            "is used up"
            if left <= 0
            else f"leaves {left:.0f} s, an evaluation takes {needed:.0f} s"
        )
        return Ending("timeout", f"the time limit of {self.plan.timeout_s:g} s {why}")


def target_reached(ledger: Ledger, plan: SearchPlan) -> Record | None:
    """The first feasible record that is fast enough."""
    for record in ledger.records if plan.has_target else ():
        speedup = math.exp(record.speed.value)
        if record.feasible(plan.limits) and plan.meets_target(speedup, record.latency_s):
            return record
    return None


def expected_seconds(ledger: Ledger, plan: SearchPlan) -> float:
    """Seconds that a full evaluation is likely to take; 0 while nothing is known."""
    whole = [r.wall_s for r in ledger.records if r.outcome == "full"]
    if whole:
        return statistics.median(whole)
    parts = [r.wall_s * plan.n_items / r.n_items for r in ledger.records if r.n_items]
    return statistics.median(parts) if parts else 0.0
