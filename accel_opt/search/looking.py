"""One look at a candidate: held-out batches, then more timing until the speed is steady."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from accel_opt.core.events import ConfirmProgress, OnEvent, ignore
from accel_opt.core.measurement import Batch, BatchMeasurement, Evaluate
from accel_opt.measure.statistics import Estimate, log_speedup
from accel_opt.search.ahead import in_order
from accel_opt.search.confirm_margin import TIMED_BATCHES
from accel_opt.search.confirm_plan import ConfirmPlan
from accel_opt.search.evaluation import Samples
from accel_opt.search.ledger import Ledger
from accel_opt.search.plan import SearchPlan
from accel_opt.search.records import Record

STEADY = 0.015
_MORE_TIMING = 12
_FEWEST_ITEMS = 10


@dataclass(frozen=True)
class Gathered:
    """What a look brought.

    Attributes:
        losses: Loss of each metric, the item as the unit.
        speed: Log of the speedup.
        latency_s: Seconds per item with the setting.
        baseline_latency_s: Seconds per item of the baseline beside it.
        n_items: Items.
        n_passes: Seeds of each item.
    """

    losses: dict[str, Estimate]
    speed: Estimate
    latency_s: float
    baseline_latency_s: float
    n_items: int
    n_passes: int


def confirm_batches(confirmation: ConfirmPlan, plan: SearchPlan) -> list[Batch]:
    """Batches of one look: every item once for each pass, each pass with its own seed."""
    batches: list[Batch] = []
    for turn in range(confirmation.n_passes):
        for first in range(0, confirmation.n_items, plan.batch_size):
            ids = tuple(range(first, min(first + plan.batch_size, confirmation.n_items)))
            index, seed = len(batches), _seed(plan.seed, turn)
            batches.append(Batch(index, ids, seed, "confirm", timed=index < TIMED_BATCHES))
    return batches


def gather(
    record: Record,
    confirmation: ConfirmPlan,
    evaluate: Evaluate,
    plan: SearchPlan,
    *,
    ledger: Ledger,
    deadline: float,
    on_event: OnEvent = ignore,
) -> Gathered:
    """Measures a candidate on held-out items.

    Args:
        record: The candidate.
        confirmation: Items and passes, fixed beforehand.
        evaluate: Measures one batch.
        plan: Batch size, seed, limits.
        ledger: Knows the usual noise of a time block.
        deadline: Monotonic second after which no further batch is asked for. The clock knows
            nothing of the scores, so an end that it sets does not bias them.
        on_event: Told of every batch.

    Raises:
        EvaluationError: The candidate could not be measured.
    """
    samples, batches = Samples(plan.limits), confirm_batches(confirmation, plan)
    total = confirmation.n_items * confirmation.n_passes

    def take(batch: Batch, found: BatchMeasurement) -> None:
        samples.add(batch, found)
        on_event(ConfirmProgress(record.config, samples.n_items, total))

    in_order(evaluate, record.config, _until(deadline, batches), take)
    by_item, n_items, n_passes = _by_item(samples, confirmation, len(batches))
    fast, base = samples.latencies()

    def timed(again: int) -> None:
        on_event(ConfirmProgress(record.config, total, total, again))

    speed = samples.speed()
    # The clock is for the next candidate where this one's losses do not hold.
    if all(by_item[limit.metric].upper(confirmation.alpha) <= limit.limit for limit in plan.limits):
        speed = _steady_speed(record, samples, batches, evaluate, plan, timed=timed)
    deviation, worth = ledger.usual_deviation(None)
    if worth and speed.se != 0:
        speed = speed.steadied(deviation, worth)
    return Gathered(by_item, speed, fast, base, n_items, n_passes)


def _until(deadline: float, batches: Iterable[Batch]) -> Iterator[Batch]:
    begun = 0
    for batch in batches:
        if time.monotonic() > deadline and begun >= _FEWEST_ITEMS:
            return
        begun += len(batch.item_ids)
        yield batch


def _by_item(
    samples: Samples, confirmation: ConfirmPlan, n_batches: int
) -> tuple[dict[str, Estimate], int, int]:
    """Losses with the item as the unit, items, complete passes; seeds of one item are alike."""
    n_items, n_passes = confirmation.n_items, samples.n_items // confirmation.n_items
    if n_passes > 1:
        whole = _first(samples, n_passes * n_batches // confirmation.n_passes)
        return whole.losses_averaged(n_items, n_passes), n_items, n_passes
    part = _first(samples, n_batches // confirmation.n_passes)
    return part.losses(), part.n_items, 1


def _first(samples: Samples, n_batches: int) -> Samples:
    return Samples(samples.limits, samples.batches[:n_batches], samples.counts[:n_batches])


def _steady_speed(
    record: Record,
    samples: Samples,
    batches: list[Batch],
    evaluate: Evaluate,
    plan: SearchPlan,
    *,
    timed: Callable[[int], None],
) -> Estimate:
    speed = samples.speed()
    if plan.objective != "speedup":
        return speed
    extra = list(samples.batches)
    deadline = time.monotonic() + 0.1 * (plan.confirm_timeout_s or math.inf)
    for i in range(_MORE_TIMING):
        if speed.interval().half_width <= STEADY or time.monotonic() > deadline:
            break
        again = replace(batches[i % len(batches)], index=len(extra), timed=True)
        extra.append(evaluate(record.config, again))
        timed(i + 1)
        speed = log_speedup(extra)
    return speed


def _seed(seed: int, turn: int) -> int:
    # Far from the seeds that a person would type, so that no search shares it.
    return (seed + 1_000_003 * (turn + 1)) % 2**63
