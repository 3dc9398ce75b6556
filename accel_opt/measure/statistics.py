"""Estimates from paired measurements: quality losses and speedups, with t-intervals.

Sources: the linearised variance of a ratio of means is Cochran, Sampling Techniques (3rd ed.,
1977), section 6.3; the finite population correction is his section 2.6. That ABBA blocks cancel
a linear drift of the clock is Box, Hunter and Hunter, Statistics for Experimenters (2005), ch. 4.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from accel_opt.core.errors import EvaluationError
from accel_opt.core.measurement import BatchMeasurement, Interval, Limit


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error.

    Attributes:
        value: The estimate.
        se: Standard error; inf where one observation tells nothing of it.
        df: Degrees of freedom behind `se`.
        n: Number of observations.
    """

    value: float
    se: float
    df: float
    n: int

    def upper(self, alpha: float) -> float:
        """One-sided upper bound that the truth exceeds with probability `alpha`."""
        return self.value + self._reach(alpha)

    def lower(self, alpha: float) -> float:
        """One-sided lower bound that the truth undercuts with probability `alpha`."""
        return self.value - self._reach(alpha)

    def interval(self, confidence: float = 0.95) -> Interval:
        """The two-sided t-interval."""
        reach = self._reach((1 - confidence) / 2)
        return Interval(self.value, self.value - reach, self.value + reach, self.n)

    def log_interval(self, confidence: float = 0.95) -> Interval:
        """The interval of exp(value), for estimates made on the log scale."""
        inner = self.interval(confidence)
        return Interval(_exp(inner.value), _exp(inner.low), _exp(inner.high), self.n)

    def steadied(self, prior_sd: float, prior_df: float) -> Estimate:
        """The same with its variance drawn towards `prior_sd`, worth `prior_df` observations.

        Few observations give a poor variance, and bounds from three of them are useless; other
        settings of the same search tell what a usual one is.
        """
        own = self.se * math.sqrt(self.n) if self.df > 0 else 0.0
        own_df = max(self.df, 0.0)
        df = own_df + prior_df
        variance = (own_df * own**2 + prior_df * prior_sd**2) / df
        return Estimate(self.value, math.sqrt(variance / self.n), df, self.n)

    def within(self, population: int) -> Estimate:
        """The same seen as a sample without replacement of a finite `population`."""
        left = max(0.0, 1 - self.n / population)
        return Estimate(self.value, self.se * math.sqrt(left) if left else 0.0, self.df, self.n)

    def _reach(self, alpha: float) -> float:
        if self.se == 0:
            return 0.0
        if self.df < 1 or not math.isfinite(self.se):
            return math.inf
        return float(-special.stdtrit(self.df, alpha)) * self.se


def mean(values: Sequence[float] | np.ndarray) -> Estimate:
    """The mean of independent values."""
    array = np.asarray(values, dtype=float)
    n = array.size
    if n == 0:
        return Estimate(math.nan, math.inf, 0, 0)
    if n == 1:
        return Estimate(float(array[0]), math.inf, 0, 1)
    return Estimate(float(array.mean()), float(array.std(ddof=1)) / math.sqrt(n), n - 1, n)


def paired_loss(
    baseline: Sequence[float] | np.ndarray,
    scores: Sequence[float] | np.ndarray,
    limit: Limit,
) -> Estimate:
    """Loss of a metric, from the scores of the same items with and without acceleration.

    Args:
        baseline: The baseline's score of each item.
        scores: The accelerated score of each item, in the same order.
        limit: Says whether the loss is relative and which way is better.

    Raises:
        EvaluationError: Scores are missing, not finite, or the baseline's mean is not positive.
    """
    base, fast = np.asarray(baseline, dtype=float), np.asarray(scores, dtype=float)
    if base.shape != fast.shape or base.size == 0:
        raise EvaluationError(
            f"{limit.metric}: {fast.size} scores beside {base.size} of the baseline"
        )
    if not (np.isfinite(base).all() and np.isfinite(fast).all()):
        raise EvaluationError(f"{limit.metric}: a score is not a number")
    difference = base - fast if limit.higher_is_better else fast - base
    if not limit.relative:
        return mean(difference)
    scale = float(base.mean())
    if scale <= 0:
        raise EvaluationError(f"{limit.metric}: the baseline's mean score {scale:.4g} is not > 0")
    loss = float(difference.mean()) / scale
    residual = mean((difference - loss * base) / scale)
    return Estimate(loss, residual.se, residual.df, residual.n)


def block_log_ratios(batches: Iterable[BatchMeasurement]) -> list[float]:
    """Mean log ratio (baseline over accelerated) of each ABBA block.

    A batch with two or more timed calls each way is a block. Batches with one call each way,
    whose order alternates from batch to batch, are joined two by two; batches beside which the
    baseline was not timed are left out. Where that leaves fewer than two blocks, the halves
    stand alone: drift then widens the interval, as it should.
    """
    blocks: list[float] = []
    halves: list[float] = []
    for batch in batches:
        if not batch.baseline_seconds:
            continue
        ratio = _log_mean(batch.baseline_seconds) - _log_mean(batch.seconds)
        if min(len(batch.seconds), len(batch.baseline_seconds)) > 1:
            blocks.append(ratio)
        else:
            halves.append(ratio)
    joined = [(a + b) / 2 for a, b in zip(halves[::2], halves[1::2], strict=False)]
    return blocks + (joined if len(blocks) + len(joined) > 1 else halves)


def log_speedup(batches: Iterable[BatchMeasurement]) -> Estimate:
    """Log of the speedup: the mean over ABBA blocks; its exponential is the speedup."""
    return mean(block_log_ratios(batches))


def seconds_per_item(seconds: Iterable[Sequence[float]], items: Iterable[int]) -> float:
    """Mean seconds of a call over its number of items.

    Args:
        seconds: Timed calls of each batch.
        items: Number of items of each batch.
    """
    parts = [
        (math.fsum(calls) / len(calls), count)
        for calls, count in zip(seconds, items, strict=True)
        if calls
    ]
    total = sum(count for _, count in parts)
    return math.fsum(second for second, _ in parts) / total if total else math.nan


def smallest_detectable(
    deviation: float, n: int, alpha: float = 0.025, power: float = 0.8
) -> float:
    """Loss that `n` paired items would find with probability `power` at one-sided `alpha`.

    "No loss" says no more than that the loss is below this.
    """
    if n < 2:
        return math.inf
    reach = -special.stdtrit(n - 1, alpha) + float(special.ndtri(power))
    return float(reach * deviation / math.sqrt(n))


def _log_mean(seconds: Sequence[float]) -> float:
    if not seconds or not all(math.isfinite(s) and s > 0 for s in seconds):
        raise EvaluationError(f"times {tuple(seconds)!r} are not all positive numbers of seconds")
    return math.fsum(math.log(s) for s in seconds) / len(seconds)


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0))
