"""What the plain pipeline draws: the measure of everything else, so that it is looked at first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from accel_opt.core.errors import BadImagesError
from accel_opt.measure.duplicates import alike, gist
from accel_opt.measure.images import Images, flaw, to_uint8

# Pictures, from which on the pipeline is judged by them.
_FEWEST = 4


class PlainImages:
    """What the plain pipeline has drawn so far.

    A few of its pictures may be flat, or alike, as some prompts ask for no more. If most are,
    the pipeline itself is at fault, and nothing is to be learned of its accelerators: a setting
    that draws as badly would lose nothing.
    """

    def __init__(self) -> None:
        self._seen: list[tuple[str, Images]] = []
        self._flawed = 0

    def checked(
        self, images: NDArray[np.floating], prompts: tuple[str, ...]
    ) -> tuple[Images, tuple[str, ...]]:
        """Pictures of the plain pipeline in 8 bit, and what is wrong with some of them.

        Raises:
            BadImagesError: NaN, or more than half of at least four pictures have a flaw.
        """
        try:
            drawn = to_uint8(images)
        except BadImagesError as error:
            raise BadImagesError(f"the plain pipeline: {error}") from None
        found = [self._flaw(*pair) for pair in zip(prompts, drawn, strict=True)]
        flaws = tuple(text for text in found if text)
        self._flawed += len(flaws)
        if flaws and len(self._seen) >= _FEWEST and 2 * self._flawed > len(self._seen):
            raise BadImagesError(
                f"the plain pipeline: {self._flawed} of {len(self._seen)} images are bad "
                f"({flaws[0]}); try --dtype bfloat16 or float32, or another --scheduler"
            )
        return drawn, flaws

    def _flaw(self, prompt: str, image: Images) -> str:
        own, what = gist(image), flaw(image)
        twins = (text for text, other in self._seen if text != prompt and alike(own, other))
        twin = next(twins, None)
        self._seen.append((prompt, own))
        if what is not None:
            return f"{prompt!r} is {what}"
        return "" if twin is None else f"{prompt!r} is the same as {twin!r}"
