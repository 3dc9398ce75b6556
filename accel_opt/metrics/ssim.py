"""SSIM to the baseline's image of the same prompt and seed.

Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE
TIP 13 (2004): a Gaussian window of 11 pixels and deviation 1.5, K1 = 0.01, K2 = 0.03, per
colour, edges reflected. Equal to torchmetrics, which is the oracle of the tests; its
two-dimensional convolution takes minutes for large images on CPUs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from accel_opt.core.errors import InputError
from accel_opt.metrics.base import Images, Metric
from accel_opt.metrics.image_pairs import pairs

if TYPE_CHECKING:
    import torch

WINDOW = 11
SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2


class Ssim(Metric):
    """Structural similarity; 1 is a perfect copy, and the loss is 1 - SSIM.

    Args:
        device: Where it is computed.
    """

    name: ClassVar[str] = "ssim"
    unit: ClassVar[str] = "similarity to the baseline's image, 1 = equal"
    loss: ClassVar[Literal["relative", "absolute"]] = "absolute"
    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    requires: ClassVar[tuple[str, ...]] = ("torch",)
    reference: ClassVar[str] = "doi:10.1109/TIP.2003.819861"
    scorer = "SSIM, Gaussian window of 11 pixels, 8 bit"

    def __init__(self, device: str = "cpu") -> None:
        self._device = device

    def score(
        self, images: Images, prompts: Sequence[str], baseline: Images | None = None
    ) -> tuple[float, ...]:
        """SSIM of each `(H, W, 3)` image, at least 11 pixels wide and high, to the baseline's."""
        del prompts
        scores: list[float] = []
        # Variances come as differences: float32 would lose 1e-4 where an image is flat.
        dtype = "float32" if self._device.startswith("mps") else "float64"
        for mine, base in pairs(self.name, images, baseline, self._device, dtype):
            if min(mine.shape[-2:]) < WINDOW:
                raise InputError(f"ssim needs images of at least {WINDOW} pixels a side")
            scores += _ssim(mine, base).tolist()
        return tuple(scores)


def _ssim(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """SSIM `(N,)` of two tensors `(N, 3, H, W)` in 0..1."""
    mean_x, mean_y = _blurred(x), _blurred(y)
    # Differences of blurs can fall below zero by rounding.
    var_x = (_blurred(x * x) - mean_x**2).clamp(min=0)
    var_y = (_blurred(y * y) - mean_y**2).clamp(min=0)
    both = _blurred(x * y) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    structure = (2 * both + C2) / (var_x + var_y + C2)
    return (likeness * structure).mean(dim=(1, 2, 3))


def _blurred(x: torch.Tensor) -> torch.Tensor:
    """Gaussian means `(N, 3, H, W)`, rows first, as the window is separable."""
    from torch.nn.functional import pad

    weights = [math.exp(-(((i - WINDOW // 2) / SIGMA) ** 2) / 2) for i in range(WINDOW)]
    total = sum(weights)
    height, width = x.shape[-2:]
    x = pad(x, (WINDOW // 2,) * 4, mode="reflect")
    rows = x[..., :height, :] * (weights[0] / total)
    for i in range(1, WINDOW):
        rows.add_(x[..., i : i + height, :], alpha=weights[i] / total)
    both = rows[..., :width] * (weights[0] / total)
    for i in range(1, WINDOW):
        both.add_(rows[..., i : i + width], alpha=weights[i] / total)
    return both
