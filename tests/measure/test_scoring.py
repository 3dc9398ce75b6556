"""Scoring beside generation: the same numbers, and no times that were not alone."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from dataclasses import replace

import pytest
import torch

from accel_opt.core.config import Config
from accel_opt.core.errors import OutOfMemoryError
from accel_opt.core.measurement import Batch
from accel_opt.measure import scoring
from accel_opt.measure.calls import CallOptions
from accel_opt.measure.fewer_steps import FewerSteps
from accel_opt.measure.runner import PipelineEvaluator
from accel_opt.measure.scoring import Scorer
from accel_opt.metrics import Metric
from accel_opt.prompts import PromptSet
from accel_opt.search.ahead import in_order
from accel_opt.testing import tiny_pipeline

PROMPTS = PromptSet("test", ("a cat", "a dog"), ("a hat", "a map", "a sun"))
SETTING = Config({"deepcache": {"cache_interval": 3, "cache_branch_id": 0}})
WAIT_S = 120.0
# The last two are of items whose baseline is known by then, and not timed.
BATCHES = [Batch(i, (i % 3,), 7, "confirm", timed=i == 0) for i in range(5)]


class Brightness(Metric):
    """Takes its time, and waits where it is told to."""

    name = "clip"
    unit = "of 255"

    def __init__(self, takes_s=0.0):
        self.go, self.takes_s, self.threads = threading.Event(), takes_s, []
        self.go.set()

    def score(self, images, prompts, baseline=None):
        del baseline
        self.threads.append(threading.current_thread())
        time.sleep(self.takes_s)
        assert self.go.wait(WAIT_S)
        return tuple(float(image.mean()) for image in images[: len(prompts)])


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipeline("sd", "DDIMScheduler")


def evaluator(pipe, metric=None, folder=None, *, beside=True):
    metrics = {"clip": metric or Brightness()}
    options = CallOptions(4, 5.0)
    return PipelineEvaluator(pipe, PROMPTS, metrics, options, folder, score_beside=beside)


def known(pipe, metric):
    """An evaluator to whom the baseline of the first item is known."""
    one = evaluator(pipe, metric)
    one(SETTING, BATCHES[0])
    return one


@pytest.mark.parametrize("way", ["setting", "fewer steps"])
def test_the_numbers_are_those_of_scoring_alone(pipe, tmp_path, way):
    def measured(*, beside):
        metric, found = Brightness(takes_s=0.5 if beside else 0), []
        one = evaluator(pipe, metric, tmp_path / str(beside), beside=beside)
        ask = one if way == "setting" else FewerSteps(one, 2)
        assert (ask.begin is not None) == beside
        in_order(ask, SETTING, BATCHES, lambda batch, one: found.append((batch, one)))
        here = threading.current_thread()
        assert [thread is here for thread in metric.threads] == [not beside] * 8
        assert [batch for batch, _ in found] == BATCHES
        return [one for _, one in found]

    def numbers(found):
        return replace(found, seconds=(), baseline_seconds=(), artifacts={})

    ours, plain = measured(beside=True), measured(beside=False)
    assert [numbers(found) for found in ours] == [numbers(found) for found in plain]
    assert [set(found.artifacts) for found in ours] == [set(found.artifacts) for found in plain]
    kept = [sorted(p.name for p in (tmp_path / str(b)).iterdir()) for b in (True, False)]
    assert kept[0] == kept[1]
    # The baseline is timed where it is generated; a call beside which something ran is not.
    assert [len(found.baseline_seconds) for found in ours] == [1, 1, 1, 0, 0]
    assert [len(found.seconds) for found in ours] == [1, 1, 1, 0, 0]
    assert [len(found.seconds) for found in plain] == [1] * 5


def test_the_next_batch_is_generated_while_the_last_is_scored(pipe):
    metric = Brightness()
    one = known(pipe, metric)
    metric.go.clear()
    first, calls = one.begin(SETTING, BATCHES[0]), []
    call = one._generation._call
    one._generation._call = lambda *asked: call(*asked) + (calls.append(1) or ())
    second = one._generated(replace(BATCHES[3], index=1), one._way(SETTING))
    assert calls == [1], "and it was over before the first one's scores were there"
    assert second.seconds == ()
    metric.go.set()
    assert first().seconds


def test_a_timed_batch_waits_for_the_scores_of_the_last(pipe):
    metric = Brightness()
    one = known(pipe, metric)
    metric.go.clear()
    one.begin(SETTING, BATCHES[3])
    call, waited = one._generation._call, []
    one._generation._call = lambda *asked: waited.append(metric.go.is_set()) or call(*asked)
    threading.Timer(0.3, metric.go.set).start()
    found = one(SETTING, BATCHES[0])
    assert waited == [True, True]
    assert found.seconds
    assert found.baseline_seconds


def test_memory_that_is_short_for_both_is_waited_for(pipe):
    metric = Brightness()
    one = known(pipe, metric)
    metric.go.clear()
    one.begin(SETTING, BATCHES[3])
    call, tries = one._generation._call, []

    def short(*asked):
        tries.append(metric.go.is_set())
        if len(tries) == 1:
            threading.Timer(0.5, metric.go.set).start()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return call(*asked)

    one._generation._call = short
    found = one.begin(SETTING, BATCHES[3])()
    assert tries == [False, True], "the second one began when the scores were there"
    assert found.scores["clip"]
    assert found.seconds
    assert one.begin is None, "from now on nothing is scored beside a generation"


def test_a_setting_that_does_not_fit_alone_says_nothing_of_scoring(pipe):
    metric = Brightness(takes_s=0.3)
    one = known(pipe, metric)
    one.begin(SETTING, BATCHES[3])

    def short(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    call, one._generation._call = one._generation._call, short
    with pytest.raises(OutOfMemoryError, match="batch size 1"):
        one.begin(SETTING, BATCHES[3])
    one._generation._call = call
    assert one.begin is not None


def test_scoring_that_runs_out_beside_is_done_again_alone():
    scorer, tries = Scorer("cpu", beside=True), []

    def job():
        tries.append(scorer.turn.locked())
        if len(tries) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "scores"

    with scorer.turn:
        finish = scorer.begin(job)
        time.sleep(0.3)
        assert scorer.busy
        assert len(tries) == 1
    assert finish() == "scores"
    assert tries == [True, True]
    assert not scorer.may_run_beside


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA error: out of memory")])
@pytest.mark.parametrize("beside", [True, False])
def test_scoring_that_never_fits_says_so(beside, error):
    def job():
        raise error

    with pytest.raises(OutOfMemoryError, match="while scoring"):
        Scorer("cpu", beside=beside).begin(job)()


@pytest.mark.parametrize("beside", [True, False])
def test_other_errors_pass(beside):
    def job():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Scorer("cpu", beside=beside).begin(job)()


def test_what_torch_keeps_by_thread_goes_along():
    def state():
        return (
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
        )

    scorer = Scorer("cpu", beside=True)
    for context in (
        torch.no_grad(),
        torch.inference_mode(),
        torch.autocast("cpu"),
        torch.enable_grad(),
    ):
        with context:
            assert scorer.begin(state)() == state()


def test_a_processor_scores_at_once_and_cuda_where_both_fit(monkeypatch):
    room = []
    # What a GPU would say, where there is none.
    monkeypatch.setattr(scoring, "reset_peak", lambda _: None)
    monkeypatch.setattr(scoring, "allocated_mib", lambda _: 4000.0)
    monkeypatch.setattr(scoring, "peak_mib", lambda _: 5500.0)
    monkeypatch.setattr(scoring, "has_room", lambda _, mib: room.append(mib) or mib < 10000)
    monkeypatch.setattr(Scorer, "_own_stream", lambda _: ExitStack())
    monkeypatch.setattr(scoring, "_thread_state", lambda _: ExitStack)
    here = threading.current_thread()
    assert Scorer("cpu").begin(threading.current_thread)() is here
    scorer = Scorer("cuda")
    assert scorer.may_run_beside
    for peak_mib, beside in ((7000.0, False), (7000.0, True), (9000.0, False)):
        scorer.generated(peak_mib)
        assert (scorer.begin(threading.current_thread)() is not here) == beside
    assert room == [8500.0, 10500.0]
