"""What confirmation could bear out: known while the search still runs, so that it can look for it.

A setting whose loss is just below its limit cannot be confirmed with the items that there are:
the bound on its loss will be above. So the search also looks for the fastest setting that can
be, and keeps it from being stopped for being slower than one that cannot.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from accel_opt.core.measurement import Limit
from accel_opt.measure.statistics import Estimate
from accel_opt.search.ledger import Ledger
from accel_opt.search.plan import SearchPlan
from accel_opt.search.records import Record

# Chance, at most, that a study ends with a setting confirmed that is not feasible.
PROMISED = 0.025
# What a confirmation takes of that, shared among its candidates; further ones of the same study
# take the same share of what is left. The rest is for tests of few items, which are not exact.
_SHARE = 0.9
ALPHA = _SHARE * PROMISED
# Seeds with which confirmation may generate each held-out item.
PASSES = 4
FEWEST_ITEMS = 10
# Batches of a look beside which the baseline is timed: an ABBA block. A baseline that is generated
# for its scores is timed anyway, and more is timed where the speed is not yet steady.
TIMED_BATCHES = 2
_OVERHEAD = 1.15
# Settings that save less work than this say little of how scatter grows with it.
_LEAST_SAVED = 0.05
# Points at which the distribution of a true loss is taken.
_QUANTILES = (np.arange(32) + 0.5) / 32


def level(spent: float) -> float:
    """One-sided level of the next confirmation of a study whose looks have spent so much."""
    return _SHARE * max(0.0, PROMISED - spent)


def best_safe(ledger: Ledger, plan: SearchPlan) -> Record | None:
    """The best feasible record that confirmation is likely to bear out."""
    return next((r for r in ledger.feasible if confirmable(r, ledger, plan)), None)


def confirmable(record: Record, ledger: Ledger, plan: SearchPlan) -> bool:
    """Whether the held-out items suffice for a record's first loss, as its own items scatter.

    A loss below zero is luck for the most part: the true one is taken for none or more.
    """
    limit = plan.limits[0]
    if not plan.confirm or plan.frontier or limit.limit <= 0:
        return True
    loss = record.losses[limit.metric]
    # Its own scatter: beside harsh settings the usual one would hide how alike mild ones stay.
    reach = _reach(plan, ledger) * loss.se * math.sqrt(loss.n)
    likely = float(np.mean(believed(loss.value, loss.se, limit)))
    return likely + reach <= limit.limit


def margin(ledger: Ledger, plan: SearchPlan, saved: Callable[[Record], float]) -> float:
    """Fraction of the first limit that scatter takes, per log of counted work saved.

    The scatter of items grows about with the work that is saved, as what is left alone stays
    alike. So a setting that saves s may lose 1 - margin * s of the limit, to be more likely than
    not confirmed.

    Args:
        ledger: What was measured.
        plan: Limits and held-out items.
        saved: Log of the work that a record saves.

    Returns:
        0.0 when confirmation is not asked for, or nothing is known yet of the scatter.
    """
    limit = plan.limits[0]
    if not plan.confirm or plan.frontier or limit.limit <= 0:
        return 0.0
    ratios = [
        deviation(record.losses[limit.metric], ledger, limit) / saved(record)
        for record in ledger.measured
        if saved(record) > _LEAST_SAVED
    ]
    return _reach(plan, ledger) * statistics.median(ratios) / limit.limit if ratios else 0.0


def deviation(loss: Estimate, ledger: Ledger, limit: Limit) -> float:
    """Deviation of one item's loss, steadied by what is usual in the study."""
    usual, worth = ledger.usual_deviation(limit.metric)
    steady = loss.steadied(usual, worth) if worth else loss
    return steady.se * math.sqrt(loss.n) if math.isfinite(steady.se) else abs(limit.limit) * 2


def room(plan: SearchPlan, baseline_s: float, looks_s: Sequence[float]) -> float:
    """Items (times seeds) that each look may take in the time that there is.

    Args:
        plan: Held-out items, time, batch size.
        baseline_s: Latency of the baseline, per item.
        looks_s: Latency of each candidate, per item.
    """
    most = plan.confirm_items * PASSES
    if plan.confirm_timeout_s is None:
        return plan.confirm_items
    # The first look generates the baseline for its scores and times it; later ones time a few.
    timing = (len(looks_s) - 1) * TIMED_BATCHES * plan.batch_size * baseline_s
    left = 0.85 * plan.confirm_timeout_s / _OVERHEAD - timing
    return max(FEWEST_ITEMS, min(most, left / (baseline_s + sum(looks_s))))


def believed(value: float, own: float, limit: Limit) -> np.ndarray:
    """Quantiles of a true loss that was measured with an error."""
    # A loss below zero is luck for the most part: it is left out of what can be.
    below = special.ndtr(-value / own) if limit.limit > 0 and own else 0.0
    if below > 1 - 1e-9 or not own:
        return np.full(len(_QUANTILES), max(value, 0.0) if limit.limit > 0 else value)
    found: np.ndarray = value + own * special.ndtri(below + _QUANTILES * (1 - below))
    return found


def _reach(plan: SearchPlan, ledger: Ledger) -> float:
    """What a deviation of one item becomes in a bound on the mean of those that there are."""
    items: float = plan.confirm_items
    if ledger.measured:
        first = ledger.measured[0]
        items = room(plan, first.baseline_latency_s, [first.latency_s])
    return -float(special.ndtri(ALPHA / 2)) / math.sqrt(items)
