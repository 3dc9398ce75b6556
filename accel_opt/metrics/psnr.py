"""Peak signal-to-noise ratio to the baseline's image, computed by torchmetrics.

Huynh-Thu and Ghanbari, "Scope of validity of PSNR", Electronics Letters 44 (2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from accel_opt.core.imports import imports_explained
from accel_opt.metrics.base import Images, Metric
from accel_opt.metrics.image_pairs import pairs

# One 8-bit value of a 1024-pixel image off by one gives 113 dB; equal images would give
# infinity, which no mean survives.
CEILING = 120.0


class Psnr(Metric):
    """PSNR in decibels. The limit is on the score: `psnr=-30` asks for at least 30 dB."""

    name: ClassVar[str] = "psnr"
    unit: ClassVar[str] = "dB to the baseline's image"
    loss: ClassVar[Literal["relative", "absolute"]] = "absolute"
    perfect: ClassVar[float] = 0.0
    bounds: ClassVar[tuple[float, float] | None] = (-100.0, 0.0)
    ceiling: ClassVar[float | None] = CEILING
    requires: ClassVar[tuple[str, ...]] = ("torchmetrics",)
    reference: ClassVar[str] = "doi:10.1049/el:20080522"
    scorer = "torchmetrics PSNR, 8 bit, at most 120 dB"

    def score(
        self, images: Images, prompts: Sequence[str], baseline: Images | None = None
    ) -> tuple[float, ...]:
        """PSNR of each `(H, W, 3)` image to the baseline's."""
        with imports_explained():
            from torchmetrics.functional.image import peak_signal_noise_ratio

        del prompts
        scores: list[float] = []
        for mine, base in pairs(self.name, images, baseline):
            values = peak_signal_noise_ratio(
                mine, base, data_range=1.0, reduction="none", dim=(1, 2, 3)
            )
            scores += values.reshape(-1).clamp(max=CEILING).tolist()
        return tuple(scores)
