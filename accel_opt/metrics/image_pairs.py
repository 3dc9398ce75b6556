"""What metrics that hold an image against the baseline's have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from accel_opt.core.errors import InputError
from accel_opt.metrics.base import Images

if TYPE_CHECKING:
    import torch

# Four 1024-pixel images with all that SSIM makes of them take half a GiB.
BATCH = 4


def pairs(
    name: str,
    images: Images,
    baseline: Images | None,
    device: str = "cpu",
    dtype: str = "float32",
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Images beside the baseline's, a few at a time.

    Args:
        name: The metric's name, for messages.
        images: `(N, H, W, 3)`, 8 bit.
        baseline: The same of the baseline.
        device: Where the tensors go.
        dtype: Their precision.

    Yields:
        Two tensors `(n, 3, H, W)` in 0..1.

    Raises:
        InputError: No baseline, or one of another shape.
    """
    import torch

    if baseline is None:
        raise InputError(f"{name} compares with the baseline's images; none were given")
    if images.shape != baseline.shape:
        raise InputError(
            f"{name} compares images of shape {images.shape} with the baseline's of shape "
            f"{baseline.shape}; they must be the same"
        )
    for start in range(0, len(images), BATCH):
        mine, base = (
            torch.from_numpy(part[start : start + BATCH].astype(dtype) / 255)
            .permute(0, 3, 1, 2)
            .to(device)
            for part in (images, baseline)
        )
        yield mine, base
