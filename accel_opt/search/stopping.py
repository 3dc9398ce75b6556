"""When an evaluation is ended early, with a stated chance of being wrong.

Two rules look after every batch but the last. *Hopeless*: the lower confidence bound of a loss
over all items of the evaluation is above its limit; the items measured are a sample without
replacement of a finite population, hence Cochran's correction. *Dominated*: the upper bound of
the objective is below the best feasible one, or below the baseline (then it is *slower*). A
setting with so small a loss that confirmation could bear it out is compared only with the best
of that kind: the fastest of all may turn out not to hold.

Each rule may be wrong with probability `wrong_stop_rate / 2` per evaluation; half of that is
spent at the first look, where stopping saves most, the rest equally over the others. By the union
bound a feasible improvement is stopped with at most `wrong_stop_rate`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from accel_opt.core.measurement import Limit
from accel_opt.measure.statistics import Estimate
from accel_opt.search.ledger import Ledger
from accel_opt.search.records import Outcome, Record

# Before anything is known, a block's log speedup is trusted to about this deviation.
_FIRST_DEVIATION = 0.05
_FIRST_WORTH = 4.0


@dataclass(frozen=True)
class Stop:
    """Why an evaluation ends early.

    Attributes:
        outcome: Name of the rule.
        reason: The numbers behind it, in words.
    """

    outcome: Outcome
    reason: str


def share(rate: float, look: int, n_looks: int) -> float:
    """Error probability that one rule may spend at a look.

    Args:
        rate: Error rate of all rules and looks together.
        look: Number of the look, from 0.
        n_looks: Looks in all.
    """
    whole = rate / 2
    if n_looks <= 1:
        return whole
    return whole / 2 if look == 0 else whole / 2 / (n_looks - 1)


def slow(gain: Estimate, best: Record | None, ledger: Ledger, alpha: float) -> Stop | None:
    """The dominated rule.

    Args:
        gain: Log of the objective so far.
        best: The setting to beat.
        ledger: Holds the usual noise.
        alpha: Error probability of this look.
    """
    bounded = gain if gain.se == 0 else _steadied(gain, ledger)
    upper = bounded.upper(alpha)
    if upper < 0:
        return Stop("slower", f"at most {math.exp(upper):.3f} of the baseline's speed")
    if best is None:
        return None
    # The best one's own error counts too: it was chosen for looking fast.
    both = math.hypot(bounded.se, best.gain.se if math.isfinite(best.gain.se) else bounded.se)
    reach = Estimate(gain.value, both, bounded.df, gain.n).upper(alpha)
    if reach <= best.gain.value and gain.value < best.gain.value:
        text = f"at most {math.exp(reach):.3f}x, while trial {best.number} is feasible at"
        return Stop("dominated", f"{text} {math.exp(best.gain.value):.3f}x")
    return None


def hopeless(
    losses: Mapping[str, Estimate],
    limits: tuple[Limit, ...],
    ledger: Ledger,
    n_items: int,
    alpha: float,
) -> Stop | None:
    """The hopeless rule.

    Args:
        losses: Losses so far, by metric.
        limits: Their limits.
        ledger: Holds the usual deviation of an item.
        n_items: Items of a full evaluation.
        alpha: Error probability of this look.
    """
    for limit in limits:
        loss = losses[limit.metric]
        deviation, worth = ledger.usual_deviation(limit.metric)
        bounded = loss.steadied(deviation, worth) if worth else loss
        lower = bounded.within(n_items).lower(alpha / len(limits))
        if lower > limit.limit:
            text = f"{limit.metric} loses at least {lower:.4f} after {loss.n} items"
            return Stop("hopeless", f"{text}, the limit is {limit.limit:g}")
    return None


def _steadied(gain: Estimate, ledger: Ledger) -> Estimate:
    deviation, worth = ledger.usual_deviation(None)
    if not worth:
        deviation, worth = _FIRST_DEVIATION, _FIRST_WORTH
    return gain.steadied(deviation, worth)
