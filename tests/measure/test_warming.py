"""Calls before anything is timed."""

from __future__ import annotations

import pytest
import torch

from accel_opt.core.config import Config
from accel_opt.core.measurement import Batch
from accel_opt.core.provenance import backends
from accel_opt.measure.calls import CallOptions
from accel_opt.measure.fewer_steps import FewerSteps
from accel_opt.measure.runner import PipelineEvaluator
from accel_opt.measure.warming import FirstCalls, until_stable
from accel_opt.prompts import PromptSet
from accel_opt.testing import tiny_pipeline

SLOW = Config({"deepcache": {"cache_interval": 2, "cache_branch_id": 0}})
FAST = Config({"deepcache": {"cache_interval": 3, "cache_branch_id": 0}})
BOTH = Config({**FAST, "tome": {"ratio": 0.5, "max_downsample": 1}})


def called(first, config):
    due = first.due(config)
    assert first.due(config) == due, "as long as it was not made"
    first.made(config)
    return due


@pytest.mark.parametrize(
    ("seconds", "last"),
    [
        ([1.0, 1.0, 9.0], 1.0),
        ([9.0, 2.0, 1.0, 0.99, 5.0], 0.99),
        # A neighbour who starts a job is no sign of warming up.
        ([1.0, 3.0, 0.5], 1.0),
        ([9.0, 8.0, 7.0, 6.0, 5.0, 4.0], 5.0),
    ],
)
def test_calls_are_made_until_they_get_no_faster(seconds, last):
    assert until_stable(iter(seconds).__next__) == last


def test_a_processor_needs_no_first_calls():
    first = FirstCalls("cpu")
    assert not first.due(FAST)
    assert backends("cpu") == {}


def test_on_cuda_every_accelerator_is_called_once_untimed(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    first = FirstCalls("cuda:0")
    asked = [SLOW, FAST, BOTH, BOTH, SLOW]
    assert [called(first, config) for config in asked] == [True, False, True, False, False]


def test_with_cudnn_benchmark_every_setting_is(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    first = FirstCalls("cuda:0")
    asked = [SLOW, FAST, BOTH, BOTH, SLOW]
    assert [called(first, config) for config in asked] == [True, True, True, False, False]
    assert backends("cuda:0")["cudnn.benchmark"] == "on"


def test_the_first_call_is_not_timed_and_changes_no_image():
    pipe = tiny_pipeline("sd", "DDIMScheduler")

    def evaluator():
        prompts = PromptSet("test", ("a cat", "a dog"), ())
        return PipelineEvaluator(pipe, prompts, {}, CallOptions(4, 5.0))

    cold, calls = evaluator(), []
    generation = cold._generation
    generation._first_calls = FirstCalls("cuda")
    generate = generation._call
    generation._call = lambda *asked: calls.append(asked[0] is pipe) or generate(*asked)
    batch = Batch(0, (0, 1), 7)
    images = []
    generation._earlier.check = lambda *asked: images.append(asked[2])
    found = cold(FAST, batch)
    assert calls == [True, False, False]
    assert len(found.seconds) == len(found.baseline_seconds) == 1
    calls.clear()
    cold(FAST, batch)
    FewerSteps(cold, 2)(Config(), batch)
    assert calls == [True, False] * 2
    assert (images[0] == images[1]).all()
