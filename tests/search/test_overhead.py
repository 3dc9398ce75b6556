"""The overhead benchmark's parts with random weights, at toy size."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

# At the end: other benchmarks have a run.py too.
sys.path.append(str(Path(__file__).parents[2] / "studies" / "benchmarks" / "overhead"))

from clocks import clocked, shares
from random_clip import SCORE, RandomClip, random_model
from random_search import random_problem, search_noise


def test_the_scorer_is_as_large_as_the_default_one():
    parameters = sum(p.numel() for p in random_model("ViT-g-14", "meta").parameters())
    assert parameters == pytest.approx(1.37e9, rel=0.005)


def test_a_search_of_noise_is_clocked(tmp_path):
    asked = {"resolution": 32, "steps": 2, "accelerators": "tome", "prompts": 2, "batch_size": 2}
    with clocked(noise=True) as clocks:
        problem = random_problem(model="tiny", scorer="tiny", out=tmp_path, **asked)
        problem.evaluator.warm_up(2)
        clocks.restart()
        assert search_noise(problem, trials=2, out=tmp_path) == 2
        wall = time.perf_counter() - clocks.calls.first
    found = shares(clocks, wall, 2)
    assert found["images"] >= 8
    assert 0 < found["share_outside_calls"] < 1
    assert all(found[name] > 0 for name in ("scoring_s_per_image", "checks_s_per_image"))
    assert found["scoring_beside_calls_s_per_image"] == 0.0
    assert isinstance(problem.evaluator._metrics["clip"], RandomClip)
    assert problem.evaluator._metrics["clip"].score([], []) == ()
    assert SCORE > 0
