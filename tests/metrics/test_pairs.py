import numpy as np
import pytest

from accel_opt.core.errors import InputError
from accel_opt.metrics.psnr import Psnr
from accel_opt.metrics.ssim import Ssim


@pytest.fixture(scope="module")
def two(pictures):
    images, prompts = pictures
    noise = np.random.default_rng(3).normal(0, 25, images.shape)
    return np.clip(images + noise, 0, 255).astype("uint8"), prompts, images


def test_ssim_equals_torchmetrics(two):
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure

    images, prompts, base = (part[:4] for part in two)
    ours = Ssim().score(images, prompts, base)
    x, y = (torch.from_numpy(part / 255.0).permute(0, 3, 1, 2) for part in (images, base))
    theirs = structural_similarity_index_measure(x, y, data_range=1.0, reduction="none")
    assert ours == pytest.approx(theirs.tolist(), abs=1e-6)


def test_ssim_of_flat_images_is_exact():
    flat = np.full((2, 32, 32, 3), 77, dtype="uint8")
    assert Ssim().score(flat, ["a", "b"], flat) == pytest.approx((1, 1), abs=1e-9)


def test_ssim_needs_room():
    small = np.zeros((1, 10, 64, 3), dtype="uint8")
    with pytest.raises(InputError, match="at least 11 pixels"):
        Ssim().score(small, ["a"], small)


def test_psnr_by_hand():
    base = np.full((2, 16, 16, 3), 100, dtype="uint8")
    images = base.copy()
    images[1] += 10
    assert Psnr().score(images, ["a", "b"], base) == pytest.approx(
        (120, 20 * np.log10(255 / 10)), abs=1e-4
    )
