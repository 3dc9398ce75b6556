"""What confirmation will do, fixed before it looks at anything; and what it could confirm.

A setting whose loss is just below its limit cannot be confirmed with the items that there are:
the bound on its loss will be above. So the search also looks for the fastest setting that can
be, and keeps it from being stopped for being slower than one that cannot.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from scipy import special

from accel_opt.core.measurement import Limit
from accel_opt.measure.statistics import Estimate
from accel_opt.search.ledger import Ledger
from accel_opt.search.plan import SearchPlan
from accel_opt.search.records import Record

ALPHA = 0.025
_POWER = 0.9
_LEAST_POWER = 0.15
_FEWEST_ITEMS = 10
_PASSES = 4
_OVERHEAD = 1.15
_LEAST_FRACTION = 0.1
# Settings that save less work than this say little of how scatter grows with it.
_LEAST_SAVED = 0.05
_MARGIN = 0.7
# Batches of a look beside which the baseline is timed: an ABBA block. A baseline that is generated
# for its scores is timed anyway, and more is timed where the speed is not yet steady.
TIMED_BATCHES = 2

# What a model makes of settings' losses: mean and deviation, by key and metric.
Expected = Mapping[str, Mapping[str, tuple[float, float]]]


@dataclass(frozen=True)
class ConfirmPlan:
    """What confirmation will do, fixed before it looks at anything.

    Attributes:
        candidates: Settings in the order in which they are tried, fastest first.
        n_items: Held-out items of each look.
        n_passes: How often each item is generated, each time with another seed.
        alpha: One-sided error probability of one look.
    """

    candidates: tuple[Record, ...]
    n_items: int
    n_passes: int
    alpha: float


def plan_confirmation(
    ledger: Ledger, plan: SearchPlan, expected: Expected | None = None
) -> ConfirmPlan | None:
    """Fixes candidates and items; None when nothing is feasible.

    The number of candidates K is the one, up to what the plan allows, that promises the greatest
    confirmed objective: more candidates are more chances, but each costs items and level.

    Args:
        ledger: What the search measured.
        plan: Limits, held-out items, time.
        expected: What a model makes of each setting's losses; None takes them as measured.
    """
    feasible = [r for r in ledger.feasible if _fast_enough(r, plan)]
    if not feasible:
        return None
    judge = _Judge(ledger, plan, expected or {})
    options = [_chosen(feasible, judge, k) for k in range(1, plan.confirm_candidates + 1)]
    chosen = max(options, key=lambda option: _promise(option, judge))
    room, alpha = judge.room(feasible, len(chosen)), ALPHA / len(chosen)
    n_total = max(_items_needed(record, judge, room, alpha) for record in chosen)
    n_items = min(n_total, plan.confirm_items)
    n_passes = min(_PASSES, max(1, -(-n_total // n_items)))
    return ConfirmPlan(tuple(chosen), n_items, n_passes, alpha)


def _chosen(feasible: list[Record], judge: _Judge, k: int) -> list[Record]:
    """At most k candidates, fastest first: each later one with a better chance to hold."""
    room, alpha = judge.room(feasible, k), ALPHA / k
    power = {r.key: judge.power(r, room, alpha) for r in feasible}
    chosen: list[Record] = []
    for i in range(k):
        least = 0.3 + 0.6 * i / max(1, k - 1)
        fair = [r for r in feasible if r not in chosen and power[r.key] >= least]
        chosen += fair[:1]
    # A candidate that hardly can hold would cost a look and, through K, the others' level.
    rest = sorted((r for r in feasible if r not in chosen), key=lambda r: -power[r.key])
    fair = [r for r in rest if power[r.key] >= _LEAST_POWER]
    chosen += (fair if chosen else fair or rest)[: k - len(chosen)]
    return sorted(chosen, key=lambda r: -r.gain.value)


def _promise(chosen: list[Record], judge: _Judge) -> float:
    """Expected log objective of what is confirmed; nothing confirmed counts as no gain."""
    room, alpha = judge.room(chosen, len(chosen)), ALPHA / len(chosen)
    promise, left = 0.0, 1.0
    for record in chosen:
        power = judge.power(record, room, alpha)
        promise += left * power * record.gain.value
        left *= 1 - power
    return promise


def _items_needed(record: Record, judge: _Judge, room: float, alpha: float) -> int:
    """Fewest items at which a candidate holds nine times in ten; at most `room`."""
    plan = judge.plan
    n = max(_FEWEST_ITEMS, min(plan.n_items, plan.confirm_items))
    while n < room and judge.power(record, n, alpha) < _POWER:
        n = math.ceil(n * 1.1)
    return int(min(n, room))


def safe_fraction(ledger: Ledger, plan: SearchPlan) -> float:
    """Fraction of the first limit up to which a setting is more likely than not confirmed.

    1.0 when confirmation is not asked for, or nothing is known yet of the noise.
    """
    usual, worth = ledger.usual_deviation(plan.limits[0].metric)
    if not plan.confirm or plan.frontier or not worth:
        return 1.0
    limit = plan.limits[0].limit
    if limit <= 0:
        return 1.0
    items = _room(ledger.measured, plan, plan.confirm_candidates)
    reach = -special.ndtri(ALPHA / plan.confirm_candidates) + 0.5
    return max(_LEAST_FRACTION, 1 - float(reach) * usual / math.sqrt(items) / limit)


def best_safe(ledger: Ledger, plan: SearchPlan) -> Record | None:
    """The best feasible record that confirmation is likely to bear out."""
    return next((r for r in ledger.feasible if confirmable(r, ledger, plan)), None)


def confirmable(record: Record, ledger: Ledger, plan: SearchPlan) -> bool:
    """Whether the held-out items suffice for a record's first loss, as its own items scatter.

    A loss below zero is luck for the most part: it is taken for none.
    """
    limit = plan.limits[0]
    if not plan.confirm or plan.frontier or limit.limit <= 0:
        return True
    loss = record.losses[limit.metric]
    # Its own scatter: beside harsh settings the usual one would hide how alike mild ones stay.
    reach = _reach(plan, ledger) * loss.se * math.sqrt(loss.n)
    return max(loss.value, 0.0) + reach <= limit.limit


def mildness(ledger: Ledger, plan: SearchPlan, saved: Callable[[Record], float]) -> float:
    """Greatest log of counted work saved at which confirmation is likely to bear a setting out.

    The scatter of items grows about with the work that is saved: what is left alone stays alike.

    Args:
        ledger: What was measured.
        plan: Limits and held-out items.
        saved: Log of the work that a record saves.
    """
    limit = plan.limits[0]
    ratios = [
        _deviation(record.losses[limit.metric], ledger, limit) / saved(record)
        for record in ledger.measured
        if saved(record) > _LEAST_SAVED
    ]
    if not ratios or limit.limit <= 0:
        return math.inf
    return _MARGIN * limit.limit / (_reach(plan, ledger) * statistics.median(ratios))


def _reach(plan: SearchPlan, ledger: Ledger) -> float:
    """What a deviation of one item becomes in a bound on the mean of those that there are."""
    items = _room(ledger.measured, plan, 1)
    return -float(special.ndtri(ALPHA / 2)) / math.sqrt(items)


def _fast_enough(record: Record, plan: SearchPlan) -> bool:
    return plan.meets_target(math.exp(record.speed.value), record.latency_s)


def _deviation(loss: Estimate, ledger: Ledger, limit: Limit) -> float:
    usual, worth = ledger.usual_deviation(limit.metric)
    steady = loss.steadied(usual, worth) if worth else loss
    return steady.se * math.sqrt(loss.n) if math.isfinite(steady.se) else abs(limit.limit) * 2


@dataclass(frozen=True)
class _Judge:
    """Chances of candidates.

    Attributes:
        ledger: What the search measured.
        plan: Limits, held-out items, time.
        expected: What a model makes of each setting's losses.
    """

    ledger: Ledger
    plan: SearchPlan
    expected: Expected

    def power(self, record: Record, n: float, alpha: float) -> float:
        """Chance that a candidate holds with n items, its own loss being uncertain too."""
        power = 1.0
        for limit in self.plan.limits:
            deviation = _deviation(record.losses[limit.metric], self.ledger, limit)
            value, own = self._loss(record, limit, deviation)
            if limit.limit > 0:
                # A loss below zero is luck for the most part: it is taken for none.
                value = max(value, 0.0)
            spread = math.hypot(deviation / math.sqrt(n), own)
            room = limit.limit - value + special.ndtri(alpha) * deviation / math.sqrt(n)
            power *= float(special.ndtr(room / spread)) if spread else float(room >= 0)
        return power

    def _loss(self, record: Record, limit: Limit, deviation: float) -> tuple[float, float]:
        known = self.expected.get(record.key, {}).get(limit.metric)
        if known is not None:
            return known
        own = deviation / math.sqrt(record.losses[limit.metric].n)
        # It was chosen for looking good, so it is taken for half an error worse than it looks.
        return record.losses[limit.metric].value + own / 2, own

    def room(self, records: list[Record], looks: int) -> float:
        """Items (times seeds) that a look may take in the time that there is."""
        return _room(records, self.plan, looks)


def _room(records: list[Record], plan: SearchPlan, looks: int) -> float:
    most = plan.confirm_items * _PASSES
    if plan.confirm_timeout_s is None or not records:
        return plan.confirm_items
    base, fast = records[0].baseline_latency_s, records[0].latency_s
    # The first look generates the baseline for its scores and times it; later ones time a few.
    timing = (looks - 1) * TIMED_BATCHES * plan.batch_size * base
    left = 0.85 * plan.confirm_timeout_s / _OVERHEAD - timing
    return max(_FEWEST_ITEMS, min(most, left / (base + looks * fast)))
