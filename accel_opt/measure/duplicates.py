"""One picture for unlike prompts, also where each of them is in a batch of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accel_opt.core.errors import BadImagesError
from accel_opt.core.measurement import Batch
from accel_opt.measure.images import SAME, Images

# Tiles a side of what is kept of a picture: some kilobytes, and small things still show.
_TILES = 64


class EarlierPictures:
    """What the batches of one evaluation have shown so far."""

    def __init__(self) -> None:
        self._of: tuple[str, str] = ("", "")
        self._kept: list[tuple[str, Images, Images]] = []

    def check(
        self,
        name: str,
        batch: Batch,
        images: Images,
        prompts: tuple[str, ...],
        baseline: Images,
    ) -> None:
        """Refuses a picture that an earlier batch has shown for another prompt.

        Args:
            name: The setting's name; another one, or another first batch, begins anew.
            batch: Which batch this is.
            images: `(N, H, W, 3)`.
            prompts: Their N prompts.
            baseline: The baseline's images: what is equal there may be so here.

        Raises:
            BadImagesError: With the two prompts.
        """
        if (name, batch.phase) != self._of or batch.index == 0:
            self._of, self._kept = (name, batch.phase), []
        new = [
            (prompt, gist(image), gist(base))
            for prompt, image, base in zip(prompts, images, baseline, strict=True)
        ]
        for prompt, own, base in new:
            for earlier, other, other_base in self._kept:
                if prompt != earlier and alike(own, other) and not alike(base, other_base):
                    raise BadImagesError(
                        f"the images of {earlier!r} and {prompt!r} are equal, in two batches"
                    )
        self._kept += new


def gist(image: Images) -> Images:
    """Means of up to 64 x 64 tiles beside one pixel of each, 8 bit."""
    rows, columns = (_edges(side) for side in image.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(image.astype("uint32"), rows, 0), columns, 1)
    areas = np.outer(_lengths(rows, image.shape[0]), _lengths(columns, image.shape[1]))
    means = (sums / areas[..., None]).round().astype("uint8")
    return np.stack([means, image[np.ix_(rows, columns)]])


def _edges(side: int) -> NDArray[np.intp]:
    return np.arange(0, side, max(1, -(-side // _TILES)))


def _lengths(edges: NDArray[np.intp], side: int) -> NDArray[np.intp]:
    return np.diff(edges, append=side)


def alike(one: Images, other: Images) -> bool:
    """Whether two gists are those of one picture, to rounding."""
    if one.shape != other.shape:
        return False
    return bool((np.abs(one.astype("int16") - other.astype("int16")) <= SAME).all())
