"""The foreign metric of docs/how-to/own-metric.md, with a stand-in for ImageReward."""

import importlib.util
import sys
from contextlib import suppress

import pytest

from accel_opt.core.errors import InputError
from tests.docs.blocks import ROOT, blocks

STAND_IN = """
print("noise of an import")

import numpy
from PIL import Image


class Model:
    def score(self, prompt, path):
        print("noise of a package")
        return numpy.asarray(Image.open(path)).mean() / 255 + len(prompt)


def load(name, device):
    assert name == "ImageReward-v1.0"
    assert device == "cpu"
    return Model()
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    page = blocks(ROOT / "docs" / "how-to" / "own-metric.md")
    worker, metric = (b.text for b in page if b.language == "python" and "stand-in" in b.skipped)
    folder = tmp_path / "accel_opt_image_reward"
    folder.mkdir()
    (folder / "worker.py").write_text(worker)
    (folder / "__init__.py").write_text(metric)
    (tmp_path / "ImageReward.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("IMAGE_REWARD_PYTHON", sys.executable)
    found = importlib.util.spec_from_file_location("image_reward_page", folder / "__init__.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def metric(package):
    made = package.ImageReward()
    yield made
    for pipe in (made._worker.stdin, made._worker.stdout):
        with suppress(BrokenPipeError):
            pipe.close()
    made._worker.wait(60)


def test_it_scores_against_the_baseline(metric, pictures):
    images, prompts = pictures
    assert metric.score(images[:5], prompts[:5], images[:5]) == (0.0,) * 5
    darker = metric.score(images[:5] // 2, prompts[:5], images[:5])
    assert all(isinstance(score, float) and score < 0 for score in darker)
    expected = (images[3] // 2).mean() / 255 - images[3].mean() / 255
    assert darker[3] == pytest.approx(expected)
    with pytest.raises(InputError, match="none were given"):
        metric.score(images, prompts)
    with pytest.raises(InputError, match="the same size"):
        metric.score(images, prompts, images[:, :32])


def test_its_environment_must_be_named(package, monkeypatch):
    monkeypatch.delenv("IMAGE_REWARD_PYTHON")
    with pytest.raises(InputError, match="set IMAGE_REWARD_PYTHON"):
        package.ImageReward()


def test_a_process_that_ends_is_told(metric, pictures, tmp_path):
    images, prompts = pictures
    metric._worker.kill()
    with pytest.raises(InputError, match="ended with status -9"):
        metric.score(images[:1], prompts[:1], images[:1])
