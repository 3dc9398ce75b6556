"""What confirmation will do, fixed before it looks at anything."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import special

from accel_opt.core.measurement import Limit
from accel_opt.search.confirm_margin import (
    ALPHA,
    FEWEST_ITEMS,
    PASSES,
    believed,
    deviation,
    level,
    room,
)
from accel_opt.search.ledger import Ledger
from accel_opt.search.plan import SearchPlan
from accel_opt.search.records import Record

_POWER = 0.9
_MOST_COMBINED = 12
# What a search that ends with nothing confirmed is counted as: half the baseline's speed.
_NOTHING = -math.log(2)
# Log of the objective that a look must promise beyond what there is without it.
_LEAST_PROMISE = 0.01

# What a model makes of settings' losses: mean and deviation, by key and metric.
Expected = Mapping[str, Mapping[str, tuple[float, float]]]


@dataclass(frozen=True)
class Earlier:
    """What earlier confirmations of a study have come to.

    Attributes:
        looked_at: Keys of their candidates; none is looked at again.
        winner: Key of the setting that they confirmed; "" when none.
        spent: Sum of the levels of their looks.
    """

    looked_at: frozenset[str] = frozenset()
    winner: str = ""
    spent: float = 0.0


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
    ledger: Ledger,
    plan: SearchPlan,
    expected: Expected | None = None,
    earlier: Earlier | None = None,
) -> ConfirmPlan | None:
    """Fixes candidates and items; None when nothing is feasible, or nothing more is promised.

    The candidates are those, up to as many as the plan allows, that together promise the greatest
    confirmed objective: more candidates are more chances, but each costs items and level.

    Args:
        ledger: What the search measured.
        plan: Limits, held-out items, time.
        expected: What a model makes of each setting's losses; None takes them as measured.
        earlier: What was confirmed before, or was not.
    """
    before = earlier or Earlier()
    held = [r.gain.value for r in ledger.feasible if r.key == before.winner]
    nothing = max([_NOTHING, *held])
    if held and plan.has_target:
        return None
    feasible = [
        r
        for r in ledger.feasible
        if _fast_enough(r, plan) and r.key not in before.looked_at and r.gain.value > nothing
    ]
    if not feasible:
        return None
    judge = _Judge(ledger, plan, expected or {}, level(before.spent), nothing)
    worth = judge.worth_trying(feasible)
    options = (
        chosen
        for k in range(1, plan.confirm_candidates + 1)
        for chosen in itertools.combinations(worth, k)
    )
    chosen = max(options, key=judge.promise)
    if earlier and judge.promise(chosen) < nothing + _LEAST_PROMISE:
        return None
    n_total = max(judge.items_needed(record, chosen) for record in chosen)
    n_items = min(n_total, plan.confirm_items)
    n_passes = min(PASSES, max(1, -(-n_total // n_items)))
    return ConfirmPlan(chosen, n_items, n_passes, judge.level / len(chosen))


def _fast_enough(record: Record, plan: SearchPlan) -> bool:
    return plan.meets_target(math.exp(record.speed.value), record.latency_s)


@dataclass(frozen=True)
class _Judge:
    """Chances of candidates.

    Attributes:
        ledger: What the search measured.
        plan: Limits, held-out items, time.
        expected: What a model makes of each setting's losses.
        level: One-sided level that the candidates share.
        nothing: Log objective where none of them holds.
    """

    ledger: Ledger
    plan: SearchPlan
    expected: Expected
    level: float = ALPHA
    nothing: float = _NOTHING

    def worth_trying(self, feasible: list[Record]) -> list[Record]:
        """Those, fastest first, that are likelier to hold than every faster one."""
        found: list[Record] = []
        most = -1.0
        for record in feasible:
            power = self.power(record, self.room((record,)), self.level)
            if power > most:
                found.append(record)
                most = power
        return found[-_MOST_COMBINED:]

    def promise(self, chosen: tuple[Record, ...]) -> float:
        """Expected log objective of what is confirmed."""
        n, alpha = self.room(chosen), self.level / len(chosen)
        promise, left = 0.0, 1.0
        for record in chosen:
            power = self.power(record, n, alpha)
            promise += left * power * record.gain.value
            left *= 1 - power
        return promise + left * self.nothing

    def power(self, record: Record, n: float, alpha: float) -> float:
        """Chance that a candidate holds with n items, its own loss being uncertain too."""
        power = 1.0
        for limit in self.plan.limits:
            scatter = deviation(record.losses[limit.metric], self.ledger, limit)
            losses = believed(*self._loss(record, limit, scatter), limit)
            reach = (limit.limit - losses) * math.sqrt(n) + special.ndtri(alpha) * scatter
            power *= float(np.mean(special.ndtr(reach / scatter) if scatter else reach >= 0))
        return power

    def _loss(self, record: Record, limit: Limit, scatter: float) -> tuple[float, float]:
        known = self.expected.get(record.key, {}).get(limit.metric)
        if known is not None:
            return known
        own = scatter / math.sqrt(record.losses[limit.metric].n)
        # It was chosen for looking good, so it is taken for half an error worse than it looks.
        return record.losses[limit.metric].value + own / 2, own

    def items_needed(self, record: Record, chosen: tuple[Record, ...]) -> int:
        """Fewest items at which a candidate holds nine times in ten; at most what there is."""
        most, alpha = self.room(chosen), self.level / len(chosen)
        n = max(FEWEST_ITEMS, min(self.plan.n_items, self.plan.confirm_items))
        while n < most and self.power(record, n, alpha) < _POWER:
            n = math.ceil(n * 1.1)
        return int(min(n, most))

    def room(self, chosen: tuple[Record, ...]) -> float:
        """Items (times seeds) that each look may take in the time that there is."""
        base = chosen[0].baseline_latency_s
        return room(self.plan, base, [record.latency_s for record in chosen])
