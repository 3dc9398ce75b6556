"""How colourful an image is.

Hasler and Süsstrunk, "Measuring colourfulness in natural images", SPIE 5007 (2003).
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from accel_opt.metrics import Images, Metric


class Colourfulness(Metric):
    """0 for grey images, about 80 and more for very colourful ones.

    Some accelerators wash colours out while the CLIP score hardly moves.
    """

    name: ClassVar[str] = "colourfulness"
    unit: ClassVar[str] = "Hasler-Süsstrunk M3"
    requires: ClassVar[tuple[str, ...]] = ("numpy",)
    reference: ClassVar[str] = "doi:10.1117/12.477378"
    scorer = "accel_opt_colourfulness 0.1.0"

    def score(
        self, images: Images, prompts: Sequence[str], baseline: Images | None = None
    ) -> tuple[float, ...]:
        """Colourfulness of each `(H, W, 3)` image."""
        del prompts, baseline
        return tuple(_colourfulness(image.astype("float64")) for image in images)


def _colourfulness(image: np.ndarray) -> float:
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    shift = np.hypot(red_green.mean(), yellow_blue.mean())
    return float(spread + 0.3 * shift)
