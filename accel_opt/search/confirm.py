"""Measuring the best settings again, on held-out items and with other seeds.

A search that picks the best of many settings picks luck with it. So before confirmation begins
K candidates and the number of items are fixed, each candidate is looked at once, and it holds
only if the one-sided upper bound of every loss, at 0.0225 / K, is within its limit: by
Bonferroni's bound, and with something to spare for a test of few items that is not exact, a
setting that is not feasible is confirmed in at most 2.5 % of searches, however it was selected,
as the items are fresh. A study that is gone on with may confirm anew: its looks share what the
earlier ones have left of the 2.5 %, so that trying again and again confirms no luck.

    python -m accel_opt.search.confirm --storage URL --study NAME --evaluate module:function
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from scipy import special

from accel_opt.core.events import ConfirmFinished, ConfirmStarted, OnEvent, ignore
from accel_opt.core.measurement import Best, Evaluate, Limit
from accel_opt.measure.statistics import Estimate, smallest_detectable
from accel_opt.search.confirm_margin import ALPHA
from accel_opt.search.confirm_plan import ConfirmPlan
from accel_opt.search.failures import describe
from accel_opt.search.ledger import Ledger
from accel_opt.search.looking import STEADY, gather
from accel_opt.search.plan import SearchPlan
from accel_opt.search.records import Record

_POWER = 0.8


@dataclass(frozen=True)
class Verdict:
    """What one look said.

    Attributes:
        best: The setting with its held-out numbers, and what the search had found.
        confirmed: Whether it holds.
        reason: Why, in words.
        detectable: Loss of the first metric that so many items would have shown four times in
            five; "no loss" means no more than "less than this".
        n_items: Items behind it.
        n_passes: Seeds for each item.
        seconds: What it took.
        alpha: One-sided level of the look; 0 when nothing was seen.
    """

    best: Best
    confirmed: bool
    reason: str
    detectable: float
    n_items: int
    n_passes: int
    seconds: float
    alpha: float = ALPHA


def winner_of(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The fastest that holds; None when none does."""
    holding = [verdict for verdict in verdicts if verdict.confirmed]
    return max(holding, key=lambda verdict: verdict.best.speedup.value, default=None)


def confirm(
    confirmation: ConfirmPlan,
    evaluate: Evaluate,
    plan: SearchPlan,
    ledger: Ledger,
    *,
    on_event: OnEvent = ignore,
    keep: Callable[[Verdict], None] | None = None,
) -> list[Verdict]:
    """Tries the candidates in order; the first that holds wins and ends it.

    Each has its share of the time; the clock may shorten a look, which the scores cannot.

    Args:
        confirmation: What was fixed beforehand.
        evaluate: Measures one batch; phase "confirm" is the held-out items.
        plan: Limits, target, batch size, seed.
        ledger: For what the search had found.
        on_event: Told of every look.
        keep: Given each new verdict at once, so that an interruption loses none.
    """
    verdicts: list[Verdict] = []
    start, looks = time.monotonic(), len(confirmation.candidates)
    for rank, record in enumerate(confirmation.candidates):
        late = time.monotonic() - start > (plan.confirm_timeout_s or math.inf)
        if verdicts and late:
            break
        on_event(ConfirmStarted(record.config, rank + 1, looks, confirmation.n_items))
        deadline = start + _share(rank, looks, plan)
        verdict = _look(
            record,
            confirmation,
            evaluate,
            plan,
            ledger=ledger,
            deadline=deadline,
            on_event=on_event,
        )
        if keep and verdict.n_items:
            keep(verdict)
        on_event(ConfirmFinished(record.config, verdict.confirmed, verdict.best, verdict.reason))
        verdicts.append(verdict)
        if verdict.confirmed:
            break
    return verdicts


def _share(rank: int, looks: int, plan: SearchPlan) -> float:
    """Seconds after which a look ends; the first also generates the baseline, so it has more."""
    if plan.confirm_timeout_s is None:
        return math.inf
    return 0.9 * plan.confirm_timeout_s * (rank + 1.5) / (looks + 0.5)


def _look(
    record: Record,
    confirmation: ConfirmPlan,
    evaluate: Evaluate,
    plan: SearchPlan,
    *,
    ledger: Ledger,
    deadline: float,
    on_event: OnEvent,
) -> Verdict:
    start, found = time.monotonic(), ledger.show(record)
    try:
        seen = gather(
            record,
            confirmation,
            evaluate,
            plan,
            ledger=ledger,
            deadline=deadline,
            on_event=on_event,
        )
    except Exception as error:  # noqa: BLE001 - a candidate that fails is not confirmed
        text = ": ".join(describe(error))
        return Verdict(found, False, text, math.inf, 0, 0, time.monotonic() - start, 0.0)
    gain = seen.speed if plan.objective == "speedup" else record.gain
    measured = replace(record, speed=seen.speed, gain=gain, losses=seen.losses)
    measured = replace(
        measured, latency_s=seen.latency_s, baseline_latency_s=seen.baseline_latency_s
    )
    holds, reason = judge(seen.losses, seen.speed, seen.latency_s, plan, confirmation.alpha)
    best = replace(
        measured.best(plan.limits),
        confirmed=holds,
        found_speedup=found.speedup,
        found_score_loss=found.score_loss,
        stable=plan.objective != "speedup" or seen.speed.interval().half_width <= STEADY,
    )
    first = seen.losses[plan.limits[0].metric]
    detectable = smallest_detectable(first.se * math.sqrt(first.n), first.n)
    wall = time.monotonic() - start
    items, passes, alpha = seen.n_items, seen.n_passes, confirmation.alpha
    return Verdict(best, holds, reason, detectable, items, passes, wall, alpha)


def judge(
    losses: dict[str, Estimate], speed: Estimate, latency_s: float, plan: SearchPlan, alpha: float
) -> tuple[bool, str]:
    """Whether a candidate holds, and why, in words."""
    for limit in plan.limits:
        loss = losses[limit.metric]
        upper = loss.upper(alpha)
        if not upper <= limit.limit:
            needed = _needed_text(loss, limit, alpha)
            return False, (
                f"{limit.metric} may lose up to {upper:.4f} (estimate {loss.value:.4f} on "
                f"{loss.n} held-out items), the limit is {limit.limit:g}{needed}"
            )
    if plan.objective == "speedup" and not speed.lower(alpha) > 0:
        return False, f"not surely faster than the baseline: {math.exp(speed.value):.3f}x"
    if not plan.meets_target(math.exp(speed.value), latency_s):
        return False, f"{math.exp(speed.value):.3f}x ({latency_s:.4g} s) misses the target"
    return True, f"every loss is within its limit at the one-sided level {alpha:.4f}"


def _needed_text(loss: Estimate, limit: Limit, alpha: float) -> str:
    margin = limit.limit - loss.value
    if margin <= 0:
        return ""
    reach = -special.ndtri(alpha) + special.ndtri(_POWER)
    needed = math.ceil((reach * loss.se * math.sqrt(loss.n) / margin) ** 2)
    return f"; about {needed} items would tell, if the estimate is right"


if __name__ == "__main__":
    import sys

    from accel_opt.search.confirm_study import main

    sys.exit(main())
