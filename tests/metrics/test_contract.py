"""What every metric must keep, those of other packages included."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from accel_opt.core.errors import HubUnreachableError, InputError, MissingPackageError
from accel_opt.metrics import Metric, get_metric, metric_names


@pytest.fixture(scope="module", params=metric_names())
def metric(request):
    kind = get_metric(request.param)
    try:
        if request.param == "clip":
            return kind(str(request.getfixturevalue("clip_folder")))
        return kind()
    except (MissingPackageError, HubUnreachableError) as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def changed(pictures):
    """Each picture with noise, more of it from one to the next."""
    images, _ = pictures
    noise = np.random.default_rng(1).normal(size=images.shape)
    strength = np.linspace(4, 60, len(images))[:, None, None, None]
    return np.clip(images + noise * strength, 0, 255).astype("uint8")


@pytest.mark.parametrize("name", metric_names())
def test_it_says_what_it_is(name):
    kind = get_metric(name)
    assert issubclass(kind, Metric)
    assert kind.name == name
    assert kind.unit
    assert kind.reference
    assert isinstance(kind.higher_is_better, bool)
    assert kind.loss in ("relative", "absolute")
    assert all(isinstance(package, str) for package in kind.requires)
    assert isinstance(kind.weights, str)
    assert kind.has_weights() in (True, False, None)


def test_it_names_its_scorer(metric):
    assert metric.scorer


def test_one_finite_number_an_image(metric, pictures, changed):
    images, prompts = pictures
    scores = metric.score(changed, prompts, images)
    assert isinstance(scores, tuple)
    assert len(scores) == len(images)
    assert all(isinstance(score, float) and math.isfinite(score) for score in scores)


def test_another_thread_scores_the_same_and_keeps_no_gradients(metric, pictures, changed):
    images, prompts = pictures
    with ThreadPoolExecutor(1) as thread:
        # A new thread has gradients on, whatever the one that made the metric had.
        there = thread.submit(metric.score, changed, prompts, images).result()
    assert there == pytest.approx(metric.score(changed, prompts, images), abs=1e-4)
    assert all(type(score) is float for score in there)


def test_a_perfect_copy(metric, pictures, changed):
    images, prompts = pictures
    copies = metric.score(images, prompts, images)
    if metric.loss == "absolute":
        expected = metric.perfect if metric.ceiling is None else metric.ceiling
        assert copies == pytest.approx([expected] * len(images), abs=1e-6)
        worse = np.array(metric.score(changed, prompts, images))
        assert (worse < expected if metric.higher_is_better else worse > expected).all()
    else:
        # Such a metric does not look at the baseline.
        assert copies == metric.score(images, prompts)


def test_more_damage_scores_worse(metric, pictures, changed):
    if metric.loss == "relative":
        pytest.skip("judges the image itself")
    images, prompts = pictures
    scores = np.array(metric.score(changed, prompts, images))
    first, last = scores[:5].mean(), scores[-5:].mean()
    assert first > last if metric.higher_is_better else first < last


def test_the_order_of_items_does_not_matter(metric, pictures, changed):
    images, prompts = pictures
    scores = metric.score(changed, prompts, images)
    order = np.random.default_rng(2).permutation(len(images))
    shuffled = metric.score(changed[order], [prompts[i] for i in order], images[order])
    assert shuffled == pytest.approx([scores[i] for i in order], abs=1e-4)


@pytest.mark.parametrize("size", [1, 3])
def test_the_size_of_batches_does_not_matter(metric, pictures, changed, size):
    images, prompts = pictures
    whole = metric.score(changed, prompts, images)
    parts = []
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        parts += metric.score(changed[part], prompts[part], images[part])
    assert parts == pytest.approx(whole, abs=1e-4)


def test_arrays_are_left_as_they_are(metric, pictures, changed):
    images, prompts = pictures
    before = changed.copy(), images.copy()
    metric.score(changed, prompts, images)
    assert (changed == before[0]).all()
    assert (images == before[1]).all()


def test_a_missing_or_misshapen_baseline(metric, pictures, changed):
    if metric.loss == "relative":
        pytest.skip("does not look at the baseline")
    images, prompts = pictures
    with pytest.raises(InputError, match="none were given"):
        metric.score(changed, prompts)
    with pytest.raises(InputError, match="must be the same"):
        metric.score(changed, prompts, images[:, :32])
