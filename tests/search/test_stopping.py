"""The stopping rules, and how often they are wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from accel_opt.core.config import Config
from accel_opt.core.measurement import Limit
from accel_opt.measure.statistics import Estimate, mean
from accel_opt.search.ledger import Ledger
from accel_opt.search.records import Record
from accel_opt.search.stopping import hopeless, share, slow

LIMITS = (Limit("clip", 0.02),)


def record(number, speed, loss=0.01):
    return Record(
        number,
        Config({"a": {"b": number}}),
        str(number),
        "full",
        gain=Estimate(math.log(speed), 0.005, 1, 2),
        speed=Estimate(math.log(speed), 0.005, 1, 2),
        losses={"clip": Estimate(loss, 0.004, 99, 100)},
        n_items=100,
    )


def ledger(*speeds):
    made = Ledger(LIMITS)
    for number, speed in enumerate(speeds):
        made.add(record(number, speed))
    return made


def test_looks_share_the_error():
    for looks in (1, 2, 9):
        total = sum(share(0.01, look, looks) for look in range(looks))
        assert total == pytest.approx(0.005)


def test_much_slower_than_the_best_is_dominated_after_one_block():
    known = ledger(2.0, 1.9, 1.8)
    stop = slow(Estimate(math.log(1.2), math.inf, 0, 1), known.best, known, 0.0025)
    assert stop.outcome == "dominated"
    assert "trial 0" in stop.reason


def test_slower_than_the_baseline_needs_no_rival():
    stop = slow(Estimate(math.log(0.6), math.inf, 0, 1), None, Ledger(LIMITS), 0.0025)
    assert stop.outcome == "slower"


@pytest.mark.parametrize("speed", [1.97, 2.0, 2.4])
def test_what_may_still_win_goes_on(speed):
    known = ledger(2.0, 1.9, 1.8)
    gain = Estimate(math.log(speed), math.inf, 0, 1)
    assert slow(gain, known.best, known, 0.0025) is None


def test_hopeless_says_by_how_much():
    loss = Estimate(0.08, 0.01, 9, 10)
    stop = hopeless({"clip": loss}, LIMITS, Ledger(LIMITS), 100, 0.0025)
    assert stop.outcome == "hopeless"
    assert "0.02" in stop.reason


def test_one_item_is_never_hopeless():
    loss = Estimate(5.0, math.inf, 0, 1)
    assert hopeless({"clip": loss}, LIMITS, Ledger(LIMITS), 100, 0.0025) is None


def test_settings_at_their_limit_are_rarely_stopped():
    assert wrong_hopeless(runs=1200, seed=4) <= 0.01


def wrong_hopeless(runs, seed, n=100, batch=10):
    """Feasible by a hair over all items: how often a look at a part says hopeless."""
    rng = np.random.default_rng(seed)
    looks, wrong = n // batch - 1, 0
    for _ in range(runs):
        losses = rng.normal(0, 0.04, n) * rng.choice([0.6, 1.4], n)
        losses += 0.02 - 1e-9 - losses.mean()
        for look in range(looks):
            estimate = mean(losses[: (look + 1) * batch])
            alpha = share(0.01, look, looks)
            if hopeless({"clip": estimate}, LIMITS, Ledger(LIMITS), n, alpha):
                wrong += 1
                break
    return wrong / runs


def test_settings_as_fast_as_the_best_are_rarely_stopped():
    rng = np.random.default_rng(5)
    wrong = 0
    for _ in range(800):
        known = ledger(2.0, 1.9, 1.8)
        ratios = math.log(2.0) + rng.normal(0, 0.005 * math.sqrt(2), 10)
        wrong += any(
            slow(mean(ratios[: look + 1]), known.best, known, share(0.01, look, 9)) is not None
            for look in range(9)
        )
    assert wrong / 800 <= 0.01
