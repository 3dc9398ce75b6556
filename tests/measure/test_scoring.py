"""Scoring beside generation: the same numbers, and no times that were not alone."""

from __future__ import annotations

import threading
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

PROMPTS = PromptSet("test", ("a cat", "a dog", "a ring", "a star"), ("a hat", "a map", "a sun"))
SETTING = Config({"deepcache": {"cache_interval": 3, "cache_branch_id": 0}})
WAIT_S = 20.0


class Brightness(Metric):
    """Waits before it scores anything, where it is told to."""

    name = "clip"
    unit = "of 255"

    def __init__(self, go: threading.Event | None = None) -> None:
        self.go, self.threads = go, []

    def score(self, images, prompts, baseline=None):
        del baseline
        self.threads.append(threading.current_thread().name)
        assert self.go is None or self.go.wait(WAIT_S)
        return tuple(float(image.mean()) for image in images[: len(prompts)])


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipeline("sd", "DDIMScheduler")


def evaluator(pipe, metric=None, folder=None, *, beside):
    options = CallOptions(4, 5.0)
    metrics = {"clip": metric or Brightness()}
    return PipelineEvaluator(pipe, PROMPTS, metrics, options, folder, score_beside=beside)


def batches(*, timed=1, alone=True):
    return [
        Batch(i, (i % 3,), 7 + i // 3, "confirm", timed=i < timed, alone=alone) for i in range(5)
    ]


@pytest.mark.parametrize("way", ["setting", "fewer steps"])
@pytest.mark.parametrize("alone", [True, False])
def test_the_numbers_are_those_of_scoring_alone(pipe, tmp_path, way, alone):
    def measured(folder, *, beside):
        one = evaluator(pipe, folder=folder, beside=beside)
        ask = one if way == "setting" else FewerSteps(one, 2)
        assert (ask.begin is not None) == beside
        return [found for _, found in in_order(ask, SETTING, batches(alone=alone))]

    def numbers(found):
        return replace(found, seconds=(), baseline_seconds=(), artifacts={})

    ours, plain = (measured(tmp_path / str(b), beside=b) for b in (True, False))
    assert [numbers(found) for found in ours] == [numbers(found) for found in plain]
    assert [set(found.artifacts) for found in ours] == [set(found.artifacts) for found in plain]
    kept = [sorted(p.name for p in (tmp_path / str(b)).iterdir()) for b in (True, False)]
    assert kept[0] == kept[1]
    timed = [bool(found.baseline_seconds) for found in plain]
    assert timed == [True] * 5 if alone else [True] + [False] * 4


def test_the_next_batch_is_generated_while_the_last_is_scored_and_is_not_timed(pipe):
    go = threading.Event()
    metric = Brightness(go)
    one = evaluator(pipe, metric, beside=True)
    first = one.begin(SETTING, batches()[0])
    # Were it to wait for the first one's scores, this would never return.
    second = one.begin(SETTING, replace(batches()[1], alone=False))
    go.set()
    assert first().seconds
    assert first().baseline_seconds
    assert second().seconds == second().baseline_seconds == ()
    assert second().scores["clip"]
    assert all(name.startswith("scoring") for name in metric.threads)


def test_a_timed_batch_waits_for_the_scores_of_the_last(pipe):
    go, metric = threading.Event(), Brightness()
    one = evaluator(pipe, metric, beside=True)
    one(SETTING, batches()[0])
    metric.go = go
    one.begin(SETTING, batches()[1])
    generated = []
    one._generate = lambda *asked, real=one._generate: generated.append(go.is_set()) or real(*asked)
    threading.Timer(0.3, go.set).start()
    found = one(SETTING, batches(timed=9)[2])
    assert generated == [True, True]
    assert found.seconds
    assert found.baseline_seconds


def test_memory_that_is_short_for_both_is_waited_for(pipe, monkeypatch):
    go = threading.Event()
    metric = Brightness(go)
    one = evaluator(pipe, metric, beside=True)
    one.begin(SETTING, batches()[0])
    generate, failed = one._generate, []

    def short(call, prompts, seed):
        if not go.is_set():
            go.set()
            failed.append(seed)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(call, prompts, seed)

    monkeypatch.setattr(one, "_generate", short)
    found = one.begin(SETTING, replace(batches()[1], alone=False))()
    assert failed
    assert found.scores["clip"]
    assert one.begin is None, "from now on nothing is scored beside a generation"


def test_scoring_that_runs_out_beside_is_done_again_alone():
    scorer, tries = Scorer("cpu", beside=True), []

    def job():
        tries.append(scorer.turn.locked())
        if len(tries) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "scores"

    with scorer.turn:
        finish = scorer.begin(job)
        scorer_thread = scorer._under_way
        with pytest.raises(TimeoutError):
            scorer_thread.result(0.2)
    assert finish() == "scores"
    assert tries == [True, True]
    assert not scorer.may_run_beside


@pytest.mark.parametrize("beside", [True, False])
def test_scoring_that_never_fits_says_so(beside):
    def job():
        raise MemoryError

    with pytest.raises(OutOfMemoryError, match="while scoring"):
        Scorer("cpu", beside=beside).begin(job)()


@pytest.mark.parametrize("beside", [True, False])
def test_other_errors_pass(beside):
    def job():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Scorer("cpu", beside=beside).begin(job)()


def test_a_processor_scores_at_once_and_cuda_where_both_fit(monkeypatch):
    here = threading.current_thread().name
    assert Scorer("cpu").begin(lambda: threading.current_thread().name)() == here
    room = []
    # What a GPU would say, where there is none.
    monkeypatch.setattr(scoring, "reset_peak", lambda _: None)
    monkeypatch.setattr(scoring, "allocated_mib", lambda _: 4000.0)
    monkeypatch.setattr(scoring, "peak_mib", lambda _: 5500.0)
    monkeypatch.setattr(scoring, "has_room", lambda _, mib: room.append(mib) or mib < 10000)
    monkeypatch.setattr(Scorer, "_own_stream", lambda _: threading.Lock())
    scorer = Scorer("cuda")
    assert scorer.may_run_beside
    for peak_mib, beside in ((7000.0, False), (7000.0, True), (9000.0, False)):
        scorer.generated(peak_mib)
        where = scorer.begin(lambda: threading.current_thread().name)()
        assert where.startswith("scoring") == beside
    assert room == [8500.0, 10500.0]
