"""Plans that contradict themselves are refused in one line."""

from __future__ import annotations

import math

import pytest

from accel_opt.core.errors import InputError, UnknownNameError
from accel_opt.core.measurement import Limit
from accel_opt.search import SearchPlan
from tests.search.tables import LIMITS, plan


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target_speedup": 2.0, "target_latency_s": 1.0}, "not both"),
        ({"target_speedup": 1.0}, "not above 1"),
        ({"target_speedup": math.inf}, "not above 1"),
        ({"target_speedup": 2.0, "frontier": True}, "a frontier for many"),
        ({"target_speedup": 2.0, "objective": "flops"}, "measured"),
        ({"limits": ()}, "give a limit"),
        ({"limits": (), "frontier": True}, "two axes"),
        ({"limits": (Limit("clip", 0.02), Limit("clip", 0.03))}, "two limits"),
        ({"n_items": 0}, "n_items=0"),
        ({"batch_size": 2.5}, "batch_size=2.5"),
        ({"trials": 0}, "trials=0"),
        ({"timeout_s": -1.0}, "timeout_s=-1.0"),
        ({"timeout_s": math.nan}, "timeout_s=nan"),
        ({"wrong_stop_rate": 0.9}, "wrong_stop_rate"),
    ],
)
def test_contradictions(options, message):
    with pytest.raises(InputError, match=message):
        plan(**options)


def test_names_are_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'random'"):
        plan(strategy="randm")
    with pytest.raises(UnknownNameError, match="speedup"):
        plan(objective="speed")


@pytest.mark.parametrize("limit", [0.0, 1.0, -0.1, 2.0, math.nan, "x", True])
def test_relative_limits_lie_between_zero_and_one(limit):
    with pytest.raises(InputError, match="clip"):
        Limit("clip", limit)


def test_batches_cover_the_items():
    assert SearchPlan(LIMITS, n_items=10, batch_size=4).n_batches == 3
