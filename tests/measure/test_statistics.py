"""Estimators and intervals: exact on small cases, honest in simulations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from accel_opt.core.errors import EvaluationError
from accel_opt.core.measurement import BatchMeasurement, Limit
from accel_opt.measure.statistics import (
    Estimate,
    block_log_ratios,
    log_speedup,
    mean,
    paired_loss,
    seconds_per_item,
    smallest_detectable,
)

CLIP = Limit("clip", 0.02)


def timed(seconds, baseline):
    return BatchMeasurement(tuple(seconds), tuple(baseline))


def test_loss_is_the_ratio_of_means():
    loss = paired_loss([30.0, 20.0], [27.0, 21.0], CLIP)
    assert loss.value == pytest.approx(1 - 24 / 25)
    assert loss.n == 2


def test_absolute_losses_and_directions():
    ssim = Limit("ssim", 0.3, relative=False, perfect=1.0)
    assert paired_loss([1.0, 1.0], [0.8, 0.6], ssim).value == pytest.approx(0.3)
    lpips = Limit("lpips", 0.1, relative=False, higher_is_better=False, perfect=0.0)
    assert paired_loss([0.0, 0.0], [0.1, 0.3], lpips).value == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("base", "scores", "message"),
    [
        ([30.0], [math.nan], "not a number"),
        ([30.0], [29.0, 28.0], "2 scores beside 1"),
        ([], [], "0 scores"),
        ([-1.0, -2.0], [1.0, 1.0], "not > 0"),
    ],
)
def test_scores_that_say_nothing_are_refused(base, scores, message):
    with pytest.raises(EvaluationError, match=message):
        paired_loss(base, scores, CLIP)


def test_one_observation_has_no_interval():
    assert mean([1.0]).interval().half_width == math.inf
    assert mean([1.0, 1.0]).interval().half_width == 0


def test_bounds_agree_with_scipy():
    values = np.random.default_rng(0).normal(size=12)
    low, high = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    interval = mean(values).interval()
    assert (interval.low, interval.high) == pytest.approx((low, high))


def test_a_whole_population_has_no_error_left():
    estimate = mean([1.0, 2.0, 4.0])
    assert estimate.within(3).se == 0
    assert estimate.within(12).se == pytest.approx(estimate.se * math.sqrt(0.75))


def test_steadying_pulls_towards_the_usual():
    wild = Estimate(0.0, 1.0, 1, 2)
    assert 0.1 < wild.steadied(0.1, 4).se < 1.0
    alone = Estimate(0.5, math.inf, 0, 1).steadied(0.1, 4)
    assert alone.se == pytest.approx(0.1)
    assert alone.df == 4


def test_blocks_join_alternating_batches_and_skip_untimed_ones():
    batches = [timed([1.0], [2.0]), timed([1.0], [4.0]), timed([1.0], [])]
    assert block_log_ratios(batches) == pytest.approx([math.log(2), math.log(4)])
    batches = [timed([1.0], [2.0]), timed([1.0], [8.0])] * 2
    assert block_log_ratios(batches) == pytest.approx([math.log(4)] * 2)
    assert block_log_ratios([timed([1.0, 1.0], [2.0, 8.0])]) == pytest.approx([math.log(4)])


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_impossible_times_are_refused(bad):
    with pytest.raises(EvaluationError, match="positive"):
        log_speedup([timed([bad], [1.0])])


def test_latency_counts_only_what_was_timed():
    assert seconds_per_item([(2.0, 4.0), ()], [3, 5]) == pytest.approx(1.0)
    assert math.isnan(seconds_per_item([()], [3]))


@pytest.mark.parametrize("n", [30, 64, 100])
def test_loss_intervals_cover(n):
    covered = coverage_of_loss(n, runs=1500, seed=n)
    assert 0.93 <= covered <= 0.97


def coverage_of_loss(n, runs, seed):
    """Scores as CLIP's: prompts differ a lot, their paired differences less and unevenly."""
    rng = np.random.default_rng(seed)
    true, hits = 0.015, 0
    for _ in range(runs):
        base = rng.normal(30, 4, n)
        fast = base * (1 - true) - rng.normal(0, 1.2, n) * rng.choice([0.5, 1.5], n)
        interval = paired_loss(base, fast, CLIP).interval()
        hits += interval.low <= true <= interval.high
    return hits / runs


def test_speedup_intervals_cover_under_drift():
    covered, bias = coverage_of_speed(runs=1500, seed=5)
    assert 0.93 <= covered <= 0.97
    assert abs(bias) <= 0.002


def coverage_of_speed(runs, seed, blocks=10):
    """One percent of noise while the clock drifts by eight percent; ABBA blocks."""
    rng = np.random.default_rng(seed)
    true, hits, total = math.log(2), 0, 0.0
    for _ in range(runs):
        drift = iter(np.linspace(0, 0.08, 4 * blocks))
        batches = []
        for _ in range(blocks):
            a1, b1, b2, a2 = (next(drift) + rng.normal(0, 0.01) for _ in range(4))
            base = [math.exp(a1), math.exp(a2)]
            batches.append(timed([math.exp(b1 - true), math.exp(b2 - true)], base))
        estimate = log_speedup(batches)
        interval = estimate.interval()
        hits += interval.low <= true <= interval.high
        total += estimate.value - true
    return hits / runs, total / runs


def test_the_smallest_detectable_loss_is_detected_four_times_in_five():
    rng = np.random.default_rng(3)
    n, deviation = 40, 0.05
    size = smallest_detectable(deviation, n)
    found = [mean(rng.normal(size, deviation, n)).lower(0.025) > 0 for _ in range(1500)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)
    assert smallest_detectable(0.05, 1) == math.inf
