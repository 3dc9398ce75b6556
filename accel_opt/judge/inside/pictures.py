"""Whatever a pipeline returns, as 8-bit arrays in files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from accel_opt.measure.images import Images

# As `output_type` names them.
PIL, ARRAY, TENSOR = "pil", "np", "pt"


def kind_of(images: Any) -> str:
    """What the first image is, as diffusers' `output_type` would ask for it."""
    first = next(iter(images))
    if hasattr(first, "convert"):
        return PIL
    return TENSOR if hasattr(first, "detach") else ARRAY


def arrays(images: Iterable[Any]) -> list[Images]:
    """Images of one kind or another as arrays `(H, W, 3)`.

    Numbers in 0..1 become 8 bit by truncation; what is 8 bit already stays.
    """
    return [_array(image) for image in images]


def save(images: Iterable[Images], folder: Path, stem: str) -> int:
    """Writes `{stem}-0.npy` and so on; returns how many."""
    count = 0
    for number, image in enumerate(images):
        np.save(folder / f"{stem}-{number}.npy", image, allow_pickle=False)
        count += 1
    return count


def _array(image: Any) -> Images:
    if hasattr(image, "convert"):
        return np.array(image.convert("RGB"))
    if hasattr(image, "detach"):
        image = image.detach().float().cpu().permute(1, 2, 0).numpy()
    found = np.asarray(image)
    if found.dtype == np.uint8:
        return found
    if not np.isfinite(found).all():
        raise ValueError("an image holds values that are not finite")
    eight_bit: Images = (found.clip(0, 1) * 255).astype("uint8")
    return eight_bit
