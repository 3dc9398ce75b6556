"""One picture for unlike prompts is found across batches; dark but good ones raise no alarm."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from accel_opt.core.errors import BadImagesError
from accel_opt.core.measurement import Batch
from accel_opt.measure.duplicates import EarlierPictures

_spec = importlib.util.spec_from_file_location("pictures", Path(__file__).with_name("pictures.py"))
pictures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pictures)

BASE = pictures.good(12, seed=5)


def show(earlier, images, prompts, *, size, name="setting", base=BASE, phase="search"):
    for index, start in enumerate(range(0, len(images), size)):
        part = slice(start, start + size)
        ids = tuple(range(start, start + size))
        batch = Batch(index, ids, 42, phase)
        earlier.check(name, batch, images[part], tuple(prompts[part]), base[part])


def names(n):
    return [f"prompt {i}" for i in range(n)]


@pytest.mark.parametrize("size", [1, 2, 4])
def test_one_picture_for_unlike_prompts(size):
    images = pictures.good(12)
    images[9] = images[0]
    with pytest.raises(BadImagesError, match="'prompt 0' and 'prompt 9' are equal") as caught:
        show(EarlierPictures(), images, names(12), size=size)
    assert caught.value.reason == "bad_images"


def test_rounding_hides_nothing_and_a_small_thing_shows():
    images = pictures.good(12)
    noise = np.random.default_rng(0).integers(-1, 2, images[0].shape)
    images[9] = np.clip(images[0].astype(int) + noise, 0, 255).astype("uint8")
    with pytest.raises(BadImagesError):
        show(EarlierPictures(), images, names(12), size=1)
    images[9, 10:14, 10:14] ^= 64
    show(EarlierPictures(), images, names(12), size=1)


def test_what_the_baseline_does_too_is_no_failure():
    images, base = pictures.good(12), BASE.copy()
    images[9], base[9] = images[0], base[0]
    show(EarlierPictures(), images, names(12), size=1, base=base)


def test_equal_prompts_other_settings_and_other_phases_may_repeat():
    earlier, images = EarlierPictures(), pictures.good(12)
    images[9] = images[0]
    prompts = names(12)
    prompts[9] = prompts[0]
    show(earlier, images, prompts, size=1)
    for name, phase in (("a", "search"), ("b", "search"), ("b", "confirm"), ("b", "confirm")):
        show(earlier, pictures.good(12), names(12), size=3, name=name, phase=phase)


@pytest.mark.parametrize("side", [64, 200, 512])
def test_no_false_alarm_on_dark_pictures(side):
    rng = np.random.default_rng(3)
    dark = [pictures.to_8_bit(pictures.night(rng, side)) for _ in range(20)]
    dark += [pictures.to_8_bit(pictures.scene(rng, side) * 0.08) for _ in range(20)]
    images = np.stack(dark)
    assert np.median(images.mean(axis=(1, 2, 3))) < 20
    show(EarlierPictures(), images, names(40), size=1, base=images[::-1].copy())
