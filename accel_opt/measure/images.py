"""From pipeline output to 8-bit images, and the pictures no score may judge.

A CLIP score of a black image is a finite number, so that bad pictures must be found by looking.
What is found here is never a matter of taste: flat fields, flat fields but for a stray line,
white noise, and one picture for unlike prompts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accel_opt.core.errors import BadImagesError

Images = NDArray[np.uint8]

# Below this standard deviation (of 255) in every channel a picture is one flat field; a dark
# night scene of a real pipeline stays well above.
FLAT = 2.0
# Neighbouring pixels of a picture agree (0.8 and more); those of white noise do not. Measured
# on luminance, where noise of n pixels stays within 3 / sqrt(n) of zero.
NOISE = 0.15
MIN_SIDE_FOR_NOISE = 16  # pixels; below, chance alone goes past the limit
PAIRS = 128  # a side: as many neighbours are compared at most
# One line in 64 may be stray, as a broken kernel or tile leaves; nothing that is drawn is as
# thin.
LINES = 64
# Pictures that differ by no more than this anywhere are one picture to rounding.
SAME = 2


def to_uint8(images: NDArray[np.floating]) -> Images:
    """`(N, H, W, 3)` in 0..1 to 8 bit, by truncation as the results of old were measured.

    Raises:
        BadImagesError: A value is not finite.
    """
    if not np.isfinite(images).all():
        bad = [i for i, image in enumerate(images) if not np.isfinite(image).all()]
        raise BadImagesError(f"images {bad} hold NaN or infinity; try another dtype")
    eight_bit: Images = (np.clip(images, 0, 1) * 255).astype("uint8")
    return eight_bit


def check(images: Images, prompts: tuple[str, ...], baseline: Images | None = None) -> None:
    """Refuses pictures that hold nothing, or are equal although their prompts differ.

    Args:
        images: `(N, H, W, 3)`.
        prompts: Their N prompts.
        baseline: The baseline's images: what is flat, noisy or equal there may be so here.

    Raises:
        BadImagesError: With the first offender and its prompt.
    """
    for i, image in enumerate(images):
        found = flaw(image)
        if found is not None and not (baseline is not None and flaw(baseline[i]) is not None):
            raise BadImagesError(f"image {i} ({prompts[i]!r}) is {found}")
    for i, j in _equal_pairs(images):
        alike = baseline is not None and _equal(baseline[i], baseline[j])
        if prompts[i] != prompts[j] and not alike:
            raise BadImagesError(f"images {i} and {j} are equal, but their prompts are not")


def flaw(image: Images) -> str | None:
    """What is wrong with one picture `(H, W, 3)`, in words; None when nothing is."""
    height, width = image.shape[:2]
    lines = (max(1, height // LINES), max(1, width // LINES))
    # Large pictures are looked at through a grid first: what is not flat there is not flat.
    grid = image[:: max(1, height // LINES), :: max(1, width // LINES)]
    found = _flatness(grid, lines) and _flatness(image, lines)
    if found is not None:
        return found
    return "noise" if _noise(image) else None


def _flatness(image: Images, lines: tuple[int, int]) -> str | None:
    """Which flat field the picture is, stray rows and columns left out; None when it is none."""
    pixels = image.astype("float32")
    if _flat(pixels):
        return _flat_name(pixels)
    for axis, line in ((0, "row"), (1, "column")):
        rest = _without_stray_lines(pixels, axis, lines[axis])
        if rest.size and _flat(rest):
            return f"{_flat_name(rest)} but for a {line}"
    return None


def _flat(pixels: NDArray[np.float32]) -> bool:
    return float(pixels.std(axis=(0, 1)).max()) < FLAT


def _flat_name(pixels: NDArray[np.float32]) -> str:
    if pixels.mean() < FLAT:
        return "black"
    return "white" if pixels.mean() > 255 - FLAT else "one flat colour"


def _without_stray_lines(
    pixels: NDArray[np.float32], axis: int, n_lines: int
) -> NDArray[np.float32]:
    """The picture without the rows (axis 0) or columns that differ most from its usual colour."""
    usual = np.median(pixels, axis=(0, 1))
    strength = np.abs(pixels - usual).mean(axis=(1 - axis, 2))
    keep = np.sort(np.argsort(strength)[: max(0, len(strength) - n_lines)])
    return np.take(pixels, keep, axis=axis)


def _noise(image: Images) -> bool:
    if min(image.shape[:2]) < MIN_SIDE_FOR_NOISE:
        return False
    return _agreement(image) < NOISE and _agreement(image.swapaxes(0, 1)) < NOISE


def _agreement(image: Images) -> float:
    """Size of the correlation of pixels with those below them in luminance, 0..1.

    Over at most 128 x 128 pairs from all over the picture.
    """
    down, right = (max(1, side // PAIRS) for side in image.shape[:2])
    upper = image[:-1:down, ::right].mean(axis=2)
    lower = image[1::down, ::right].mean(axis=2)
    spread = float(upper.std() * lower.std())
    if spread == 0:
        return 1.0
    return abs(float(((upper - upper.mean()) * (lower - lower.mean())).mean()) / spread)


def _equal(one: Images, other: Images) -> bool:
    return bool((np.abs(one.astype("int16") - other.astype("int16")) <= SAME).all())


def _equal_pairs(images: Images) -> list[tuple[int, int]]:
    """Pairs of equal pictures; a grid of pixels rules most pairs out before all are compared."""
    step = max(1, images.shape[1] // 16)
    grids = images[:, ::step, ::step].astype("int16")
    return [
        (i, j)
        for i in range(len(images))
        for j in range(i + 1, len(images))
        if (np.abs(grids[i] - grids[j]) <= SAME).all() and _equal(images[i], images[j])
    ]
