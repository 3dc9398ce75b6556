"""One setting measured batch by batch, until it is complete or a rule ends it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace

import numpy as np

from accel_opt.core.errors import EvaluationError
from accel_opt.core.events import BatchDone, OnEvent
from accel_opt.core.measurement import Batch, BatchMeasurement, Evaluate, Limit
from accel_opt.measure.statistics import (
    Estimate,
    log_speedup,
    mean,
    paired_loss,
    seconds_per_item,
)
from accel_opt.search.confirm_margin import best_safe, confirmable
from accel_opt.search.ledger import Ledger
from accel_opt.search.plan import SearchPlan
from accel_opt.search.records import Record
from accel_opt.search.space import Setting, Space
from accel_opt.search.stopping import Stop, hopeless, share, slow

# Batches of a search evaluation beside which the baseline is timed: one ABBA block.
TIMED = 2


@dataclass
class Samples:
    """Batches of one setting gathered so far."""

    limits: tuple[Limit, ...]
    batches: list[BatchMeasurement] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def add(self, batch: Batch, found: BatchMeasurement) -> None:
        """Takes a batch in.

        Raises:
            EvaluationError: A number is missing or is none.
        """
        check(batch, found, self.limits)
        self.batches.append(found)
        self.counts.append(len(batch.item_ids))

    @property
    def n_items(self) -> int:
        """Items so far."""
        return sum(self.counts)

    def losses(self) -> dict[str, Estimate]:
        """Loss of each metric so far."""
        return {limit.metric: self._loss(limit) for limit in self.limits}

    def _loss(self, limit: Limit) -> Estimate:
        scores = [s for found in self.batches for s in found.scores[limit.metric]]
        return paired_loss(self._base(limit, len(scores)), scores, limit)

    def _base(self, limit: Limit, n: int) -> list[float]:
        if limit.perfect is not None:
            return [limit.perfect] * n
        return [s for found in self.batches for s in found.baseline_scores[limit.metric]]

    def losses_averaged(self, n_items: int, n_passes: int) -> dict[str, Estimate]:
        """Losses with each item's scores averaged over its passes.

        Args:
            n_items: Items of one pass.
            n_passes: Passes gathered, each over the same items in the same order.
        """
        found = {}
        for limit in self.limits:
            scores = [s for b in self.batches for s in b.scores[limit.metric]]
            base = self._base(limit, len(scores))
            shape = (n_passes, n_items)
            found[limit.metric] = paired_loss(
                np.reshape(base, shape).mean(axis=0), np.reshape(scores, shape).mean(axis=0), limit
            )
        return found

    def speed(self) -> Estimate:
        """Log of the measured speedup so far."""
        return log_speedup(self.batches)

    def memory(self) -> Estimate:
        """Log of the baseline's peak memory over the setting's."""
        pairs = [(b.baseline_peak_memory_mib, b.peak_memory_mib) for b in self.batches]
        if not all(base and fast for base, fast in pairs):
            raise EvaluationError("the evaluator reports no peak memory to optimise")
        return mean([math.log(base / fast) for base, fast in pairs if base and fast])

    def notes(self) -> list[str]:
        """What the evaluator said of how it measured, each once."""
        return list(dict.fromkeys(found.note for found in self.batches if found.note))

    def latencies(self) -> tuple[float, float]:
        """Seconds per item of the setting and of the baseline beside it."""
        fast = seconds_per_item([b.seconds for b in self.batches], self.counts)
        base = seconds_per_item([b.baseline_seconds for b in self.batches], self.counts)
        return fast, base


def check(batch: Batch, found: BatchMeasurement, limits: tuple[Limit, ...]) -> None:
    """Refuses a measurement that nothing may be concluded from.

    Raises:
        EvaluationError: Scores are missing or not finite, or no baseline was timed at first.
    """
    n = len(batch.item_ids)
    for limit in limits:
        sources = (
            [found.scores] if limit.perfect is not None else [found.scores, found.baseline_scores]
        )
        for scores in sources:
            values = scores.get(limit.metric, ())
            if len(values) != n:
                raise EvaluationError(f"{limit.metric}: {len(values)} scores for {n} items")
            if not all(math.isfinite(value) for value in values):
                raise EvaluationError(f"{limit.metric}: a score is not a number (nan)")
    if batch.index == 0 and not found.baseline_seconds:
        raise EvaluationError("the first batch brings no time of the baseline")
    if batch.timed and not found.seconds:
        raise EvaluationError("the batch brings no time")


def search_batches(plan: SearchPlan) -> list[Batch]:
    """The batches of a full evaluation, in order; every setting gets the same."""
    ids = range(plan.n_items)
    starts = range(0, plan.n_items, plan.batch_size)
    return [
        Batch(i, tuple(ids[start : start + plan.batch_size]), plan.seed, timed=i < TIMED)
        for i, start in enumerate(starts)
    ]


def evaluate_setting(
    setting: Setting,
    number: int,
    *,
    evaluate: Evaluate,
    space: Space,
    plan: SearchPlan,
    ledger: Ledger,
    on_event: OnEvent,
) -> Record:
    """Measures a setting; stops early where a rule says so.

    Args:
        setting: What to measure.
        number: The trial's number.
        evaluate: Measures one batch.
        space: Counts work, for the objective "flops".
        plan: Items, batches, limits, rules.
        ledger: What is known so far.
        on_event: Told after every batch.

    Raises:
        EvaluationError: The setting could not be measured.
    """
    start = time.monotonic()
    samples, stop = Samples(plan.limits), None
    for batch in search_batches(plan):
        found = evaluate(setting.config, batch)
        _check_time(time.monotonic() - start, plan)
        samples.add(batch, found)
        record = _estimate(samples, setting, number, plan, space)
        on_event(_progress(record, plan))
        stop = _stop(record, found, plan, ledger, batch.index)
        if stop:
            break
    if stop:
        record = replace(record, outcome=stop.outcome, reason=stop.reason)
    return replace(record, wall_s=time.monotonic() - start)


def _progress(record: Record, plan: SearchPlan) -> BatchDone:
    losses = {name: loss.value for name, loss in record.losses.items()}
    speedup = math.exp(record.speed.value)
    return BatchDone(record.number, record.n_items, plan.n_items, speedup, losses)


def _check_time(spent_s: float, plan: SearchPlan) -> None:
    # A batch that hangs is killed by the evaluator's process; this ends a trial of slow batches.
    if plan.trial_timeout_s is not None and spent_s > plan.trial_timeout_s:
        raise EvaluationError(f"took {spent_s:.3g} s, the limit is {plan.trial_timeout_s:g} s")


def _estimate(
    samples: Samples, setting: Setting, number: int, plan: SearchPlan, space: Space
) -> Record:
    speed = samples.speed()
    gain = speed
    if plan.objective == "memory":
        gain = samples.memory()
    elif plan.objective == "flops":
        work = space.work_of(setting.config)
        gain = Estimate(-math.log(work or 1.0), 0.0, 1, samples.n_items)
    fast, base = samples.latencies()
    return Record(
        number=number,
        config=setting.config,
        key=setting.key,
        outcome="full",
        point=setting.point,
        reason="; ".join([f"all {plan.n_items} items measured", *samples.notes()]),
        gain=gain,
        speed=speed,
        losses=samples.losses(),
        latency_s=fast,
        baseline_latency_s=base,
        n_items=samples.n_items,
    )


def _stop(
    record: Record, found: BatchMeasurement, plan: SearchPlan, ledger: Ledger, look: int
) -> Stop | None:
    if found.unchanged and look == 0:
        return Stop("unchanged", "the output equals the baseline's bit for bit: it does nothing")
    if not plan.stop_early or look == plan.n_batches - 1:
        return None
    alpha = share(plan.wrong_stop_rate, look, plan.n_batches - 1)
    hope = hopeless(record.losses, plan.limits, ledger, plan.n_items, alpha)
    if hope or plan.frontier:
        return hope
    return slow(record.gain, rival(record, plan, ledger), ledger, alpha)


def rival(record: Record, plan: SearchPlan, ledger: Ledger) -> Record | None:
    """The setting that this one must be able to beat, to be worth going on with."""
    if confirmable(record, ledger, plan):
        return best_safe(ledger, plan)
    return ledger.best
