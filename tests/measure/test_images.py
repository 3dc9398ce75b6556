import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest

from accel_opt.core.errors import BadImagesError
from accel_opt.measure.images import check, flaw, to_uint8
from accel_opt.measure.plain import PlainImages

_spec = importlib.util.spec_from_file_location("pictures", Path(__file__).with_name("pictures.py"))
pictures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pictures)
BAD = pictures.bad()


def names(n):
    return tuple(f"prompt {i}" for i in range(n))


def test_truncation_as_of_old():
    images = np.array([0.0, 0.5, 0.999, 1.0]).reshape(1, 2, 2, 1)
    assert to_uint8(images).ravel().tolist() == [0, 127, 254, 255]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("everywhere", [True, False])
def test_nan(bad, everywhere):
    images = np.full((2, 4, 4, 3), 0.5)
    images[1, ...] = np.where(everywhere, bad, images[1])
    images[1, 0, 0, 0] = bad
    with pytest.raises(BadImagesError, match=r"\[1\] hold NaN"):
        to_uint8(images)


def test_no_false_alarm_on_varied_pictures_dark_ones_among_them():
    images = pictures.good(300)
    dark = sum(image.mean() < 30 for image in images)
    assert dark >= 60
    check(images, names(len(images)))


@pytest.mark.parametrize("size", [96, 256])
def test_no_false_alarm_at_other_sizes(size):
    rng = np.random.default_rng(7)
    for _ in range(20):
        assert flaw(pictures.to_8_bit(pictures.scene(rng, size))) is None
        assert flaw(pictures.to_8_bit(pictures.night(rng, size))) is None


@pytest.mark.parametrize("name", BAD)
def test_every_bad_picture_is_caught(name):
    images = pictures.good(4)
    images[2] = BAD[name]
    says = {
        "almost black": "black",
        "grey with grain": "flat",
        "grey": "one flat colour",
        "red": "one flat colour",
    }
    word = says.get(name, name.split()[-1])
    with pytest.raises(BadImagesError, match=rf"image 2 \('prompt 2'\) is .*{word}") as caught:
        check(images, names(4))
    assert caught.value.reason == "bad_images"


@pytest.mark.parametrize("name", BAD)
def test_what_the_baseline_has_too_is_no_failure(name):
    images = pictures.good(4)
    images[2] = BAD[name]
    check(images, names(4), images)


def test_duplicates():
    images = pictures.good(5)
    images[3] = images[1]
    check(images, ("a", "same", "b", "same", "c"))
    with pytest.raises(BadImagesError, match="images 1 and 3 are equal"):
        check(images, names(5))
    check(images, names(5), images)


def test_duplicates_to_rounding():
    images = pictures.good(3)
    other = images[0].astype(int) + np.random.default_rng(0).integers(-1, 2, images[0].shape)
    images[2] = np.clip(other, 0, 255).astype("uint8")
    with pytest.raises(BadImagesError, match="images 0 and 2 are equal"):
        check(images, names(3))
    images[2, 10:14, 10:14] += 40
    check(images, names(3))


def test_a_stray_line_in_a_large_picture():
    for n_rows in (1, 3, 8):
        image = np.full((512, 512, 3), 60, dtype="uint8")
        image[100 : 100 + n_rows] = np.random.default_rng(0).integers(0, 255, (n_rows, 512, 3))
        assert flaw(image) == "one flat colour but for a row"
        assert flaw(image.transpose(1, 0, 2)) == "one flat colour but for a column"
    image[200:240, 200:240] = 200
    assert flaw(image) is None


def test_it_costs_little():
    rng = np.random.default_rng(0)
    images = np.stack([pictures.to_8_bit(pictures.scene(rng, 512)) for _ in range(8)])
    start = time.process_time()
    check(images, names(8))
    assert time.process_time() - start < 1


def plain_pictures(seed=0):
    return np.random.default_rng(seed).random((8, 8, 8, 3)).repeat(4, axis=1).repeat(4, axis=2)


def test_the_plain_pipeline_may_draw_a_few_flat_pictures_but_not_most():
    good, plain = plain_pictures(), PlainImages()
    flat = np.zeros_like(good)
    images, flaws = plain.checked(flat[:2], names(2))
    assert (images == 0).all(), "too few to tell"
    assert flaws == ("'prompt 0' is black", "'prompt 1' is black")
    assert plain.checked(good, names(8))[1] == ()
    plain.checked(flat[:6], names(6))
    with pytest.raises(BadImagesError, match=r"the plain pipeline: 9 of 17 .*black.*--dtype"):
        plain.checked(flat[:1], names(1))
    with pytest.raises(BadImagesError, match=r"the plain pipeline: .*NaN"):
        PlainImages().checked(good + np.nan, names(8))


def test_a_plain_pipeline_that_ignores_its_prompts_is_found_out():
    one, plain = plain_pictures()[:1], PlainImages()
    for number in range(3):
        plain.checked(one, (f"prompt {number}",))
    with pytest.raises(BadImagesError, match=r"3 of 4 .*'prompt 3' is the same as 'prompt 0'"):
        plain.checked(one, ("prompt 3",))
    again = PlainImages()
    for _ in range(8):
        assert again.checked(one, ("one prompt",))[1] == (), "other seeds may draw the same"
