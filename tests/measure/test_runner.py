import numpy as np
import pytest
import torch
from PIL import Image

from accel_opt.core.config import Config
from accel_opt.core.errors import BadImagesError, InputError, OutOfMemoryError
from accel_opt.core.measurement import Batch
from accel_opt.measure.calls import CallOptions
from accel_opt.measure.fewer_steps import FewerSteps
from accel_opt.measure.generation import Way
from accel_opt.measure.runner import PipelineEvaluator
from accel_opt.metrics import Metric
from accel_opt.prompts import PromptSet
from accel_opt.testing import tiny_pipeline

PROMPTS = PromptSet("test", ("a cat", "a dog", "a ring", "a star"), ("a hat", "a map"))
PLAIN = Config()
SETTING = Config({"deepcache": {"cache_interval": 3, "cache_branch_id": 0}})


class Brightness(Metric):
    name = "clip"
    unit = "of 255"

    def score(self, images, prompts, baseline=None):
        assert len(images) == len(prompts)
        return tuple(float(image.mean()) for image in images)


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipeline("sd", "DDIMScheduler")


@pytest.fixture
def evaluator(pipe, tmp_path):
    return PipelineEvaluator(
        pipe, PROMPTS, {"clip": Brightness()}, CallOptions(6, 5.0), tmp_path / "samples"
    )


def batch(index=0, ids=(0, 1), seed=3, phase="search", *, timed=True):
    return Batch(index, ids, seed, phase, timed=timed)


def test_measures_both_and_leaves_the_pipeline_alone(evaluator, pipe):
    before = evaluator.baseline(batch())[0].copy()
    found = evaluator(SETTING, batch())
    assert len(found.seconds) == len(found.baseline_seconds) == 1
    assert len(found.scores["clip"]) == len(found.baseline_scores["clip"]) == 2
    assert not found.unchanged
    assert found.scores != found.baseline_scores
    again = PipelineEvaluator(pipe, PROMPTS, {"clip": Brightness()}, CallOptions(6, 5.0))
    assert np.array_equal(again.baseline(batch())[0], before)


def test_same_setting_same_scores(evaluator):
    assert evaluator(SETTING, batch()).scores == evaluator(SETTING, batch()).scores


def test_the_baseline_against_itself_is_unchanged(evaluator):
    assert FewerSteps(evaluator, 6)(PLAIN, batch()).unchanged
    assert not FewerSteps(evaluator, 3)(PLAIN, batch()).unchanged


def test_order_is_abba_and_the_baseline_is_timed_where_asked(evaluator, monkeypatch):
    calls = []
    generate = evaluator._generation._call

    def recorded(call, prompts, seed):
        calls.append("A" if call is evaluator._pipe else "B")
        return generate(call, prompts, seed)

    for index in range(3):
        evaluator.baseline(batch(index))
    monkeypatch.setattr(evaluator._generation, "_call", recorded)
    for index in range(3):
        evaluator(SETTING, batch(index, timed=index < 2))
    assert "".join(calls) == "ABBAB"
    calls.clear()
    evaluator.baseline(batch(2, (0, 1), 9, "confirm"))
    for index in range(2, 4):
        evaluator(SETTING, batch(index, (0, 1), 9, "confirm"))
    assert "".join(calls).removeprefix("A") == "ABBA"


def test_heldout_prompts_are_used_for_confirmation(evaluator):
    search = evaluator.baseline(batch())[0]
    heldout = evaluator.baseline(batch(phase="confirm"))[0]
    assert not np.array_equal(search, heldout)


def test_the_first_samples_and_the_worst_are_kept(evaluator, tmp_path):
    found = evaluator(SETTING, batch())
    kinds, names = ("accelerated", "baseline"), ("0", "1", "worst")
    assert set(found.artifacts) == {f"{kind}-{name}" for kind in kinds for name in names}
    losses = [
        base - fast
        for base, fast in zip(found.baseline_scores["clip"], found.scores["clip"], strict=True)
    ]
    worst = losses.index(max(losses))
    assert found.artifacts["accelerated-worst"] == found.artifacts[f"accelerated-{worst}"]
    assert len(list((tmp_path / "samples").glob("*.png"))) == 4
    assert Image.open(found.artifacts["baseline-1"]).text["prompt"] == "a dog"
    assert set(evaluator(SETTING, batch(1)).artifacts) == set()


def test_nan_is_a_failure_of_its_own(evaluator, monkeypatch):
    evaluator.baseline(batch())
    monkeypatch.setattr(
        evaluator._generation,
        "_call",
        lambda *_: (0.1, np.full((2, 8, 8, 3), np.nan, dtype="float32")),
    )
    with pytest.raises(BadImagesError, match="NaN"):
        evaluator(SETTING, batch())


def test_out_of_memory_names_the_batch(evaluator, pipe, monkeypatch):
    evaluator.baseline(batch())
    before = evaluator.baseline(batch())[0]

    def full(*_args):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(evaluator._generation, "_call", full)
    with pytest.raises(OutOfMemoryError, match="batch size 2"):
        evaluator(SETTING, batch())
    monkeypatch.undo()
    again = PipelineEvaluator(pipe, PROMPTS, {"clip": Brightness()}, CallOptions(6, 5.0))
    assert np.array_equal(again.baseline(batch())[0], before)


class Small:
    """A device on which no more than `fits` pictures can be made at once."""

    def __init__(self, pipe, fits):
        self.pipe, self.fits, self.sizes = pipe, fits, []

    def __call__(self, **arguments):
        size = len(arguments["prompt"])
        self.sizes.append(size)
        if size > self.fits:
            raise torch.OutOfMemoryError("out of memory. Tried to allocate 20 GiB")
        return self.pipe(**arguments)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_a_batch_is_halved_only_when_told(pipe):
    four = batch(ids=(0, 1, 2, 3))
    options = CallOptions(6, 5.0, negative_prompt="dull")
    usual = PipelineEvaluator(pipe, PROMPTS, {"clip": Brightness()}, options)
    small = Small(pipe, fits=1)
    with pytest.raises(OutOfMemoryError, match="batch size 4"):
        usual.measure(four, Way("small", lambda _: small))
    assert small.sizes == [4]
    told = PipelineEvaluator(pipe, PROMPTS, {"clip": Brightness()}, options, halve_batch=True)
    small = Small(pipe, fits=1)
    found = told.measure(four, Way("small", lambda _: small))
    assert small.sizes == [4, 2, 1, 1, 1, 1]
    assert found.note == "batch of 4 out of memory, in 4 parts"
    # The generator goes on from part to part, so these are the pictures of the whole batch.
    assert found.scores["clip"] == pytest.approx(found.baseline_scores["clip"], abs=0.05)
    with pytest.raises(OutOfMemoryError, match="batch size 1"):
        told.measure(four, Way("small", lambda _: Small(pipe, fits=0)))
    assert told(SETTING, four).note == ""


def test_a_pipeline_that_ignores_its_prompts_is_found_out_one_by_one(evaluator, pipe):
    class Stuck(Small):
        def __call__(self, **arguments):
            return self.pipe(**arguments | {"prompt": ["a cat"] * len(arguments["prompt"])})

    evaluator.measure(batch(0, (0,)), Way("stuck", lambda _: Stuck(pipe, 9)))
    with pytest.raises(BadImagesError, match="'a cat' and 'a dog' are equal, in two batches"):
        evaluator.measure(batch(1, (1,)), Way("stuck", lambda _: Stuck(pipe, 9)))


def test_a_flat_baseline_does_not_fail_every_setting(evaluator, pipe):
    """Some prompts ask for a white field; what is flat there may be so with a setting."""
    call, white = evaluator._generation._call, np.ones((1, 32, 32, 3), dtype="float32")

    def drawn(what, prompts, seed):
        seconds, images = call(what, prompts, seed)
        return seconds, np.concatenate([white, images[1:]])

    evaluator._generation._call = drawn
    found = evaluator(SETTING, batch(ids=(0, 1, 2, 3)))
    assert found.scores["clip"][0] == 255


def test_a_plain_pipeline_that_does_not_fit_says_what_to_type(evaluator):
    def full(*_):
        raise RuntimeError("CUDA error: out of memory\nCUDA kernel errors might ...")

    evaluator._generation._call = full
    with pytest.raises(InputError, match=r"batch of 3: give a smaller --batch-size .*dtype"):
        evaluator.warm_up(3)
