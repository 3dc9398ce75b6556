"""Whether a program's images are those of the config that it shows."""

from __future__ import annotations

import numpy as np

from accel_opt.judge.errors import ProgramError, Reason
from accel_opt.measure.images import Images

# The same config in our own code gives the same image to the bit on one device, or nearly so:
# 8-bit rounding alone is 50 dB. In half precision scattered sums come in no fixed order, so that
# single images may wander off. Unlike images are at 5 to 15 dB. What a program could gain within
# the tolerance is bounded by the speedup of the replay.
_MEAN_DB = {"float32": 40.0}
_MEAN_DB_HALF = 28.0
_LEAST_DB = 18.0
_SAME_DB = 100.0


def psnr(one: Images, other: Images) -> list[float]:
    """PSNR in dB of each of N images to its partner; 100 for equal ones."""
    difference = one.astype("float64") - other.astype("float64")
    errors = (difference**2).reshape(len(one), -1).mean(axis=1)
    floor = 255.0**2 / 10 ** (_SAME_DB / 10)
    return [float(10 * np.log10(255.0**2 / max(e, floor))) for e in errors]


def check_agreement(images: Images, replayed: Images, dtype: str) -> float:
    """Mean PSNR in dB of a program's images to those of its replay.

    Args:
        images: The program's, `(N, H, W, 3)`.
        replayed: The replay's.
        dtype: Precision in which both were made.

    Raises:
        ProgramError: They differ in size, or by more than rounding explains.
    """
    if images.shape != replayed.shape:
        size = "{1} x {2}"
        raise ProgramError(
            Reason.OUTPUT_INVALID,
            f"images of {size.format(*images.shape)} pixels instead of "
            f"{size.format(*replayed.shape)}",
        )
    found = psnr(images, replayed)
    wanted = _MEAN_DB.get(dtype, _MEAN_DB_HALF)
    mean = float(np.mean(found))
    if mean < wanted or min(found) < _LEAST_DB:
        raise ProgramError(
            Reason.TAMPERING,
            f"its images are not those of the config it shows: {mean:.1f} dB from them "
            f"({min(found):.1f} at worst), {wanted:g} are needed",
        )
    return mean
