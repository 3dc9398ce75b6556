"""What answers a search: an entry for a cell of a grid, a winner for a target."""

from __future__ import annotations

import pytest

from accel_opt import results
from accel_opt.core.config import Config
from accel_opt.core.measurement import Best, Interval
from accel_opt.core.spec import make_spec
from accel_opt.facade.grid import plan
from accel_opt.facade.main_job import meets_target, missed

CONFIG = Config({"tome": {"ratio": 0.5, "max_downsample": 1}})


def entry(speedup, seconds=1.0, achieved=2.0):
    key = results.EntryKey("SD1.5", "DDIMScheduler", 50, speedup, 0.02, ("tome",))
    return results.Entry(key, CONFIG, achieved, 0.01, round(seconds, 2), seconds)


def done(folder, **target):
    spec = make_spec(model="SD1.5", steps=50, accelerators="tome", out=folder, **target)
    (cell,) = plan([spec])
    return cell.done


@pytest.mark.parametrize(
    ("stored", "target", "expected"),
    [
        (None, {}, True),
        (1.5, {}, False),  # a search that stopped at 1.5x is no upper bound
        (1.5, {"speedup": 1.5}, True),
        (1.5, {"speedup": 1.8}, False),
        (None, {"latency": 1.0}, True),
        (None, {"latency": 0.9}, False),  # there is a result, but it is too slow
    ],
)
def test_a_cell_is_done_when_an_entry_answers_it(tmp_path, stored, target, expected):
    assert not done(tmp_path, **target)
    results.merge(tmp_path / "search_params.json", [entry(stored)])
    assert done(tmp_path, **target) is expected


@pytest.mark.parametrize(
    ("target", "met"),
    [
        ({}, True),
        ({"speedup": 1.5}, True),
        ({"speedup": 1.501}, False),
        ({"latency": 1.0}, True),
        ({"latency": 0.99}, False),
    ],
)
def test_a_winner_meets_its_target_or_is_none(target, met):
    fast = Interval(1.5, 1.4, 1.6, 10)
    best = Best(CONFIG, fast, Interval(0.01, 0.0, 0.02, 10), 1.0, 1.5, "k", confirmed=False)
    spec = make_spec(model="SD1.5", **target)
    assert meets_target(spec, best) is met
    if not met:
        (wanted,) = target.values()
        assert f"{wanted:.3g}" in missed(spec, best)
        assert "required" in missed(spec, best)
