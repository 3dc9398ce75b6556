"""The contract of a metric."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar, Literal

from accel_opt.core.errors import MissingPackageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Images = NDArray[np.uint8]
else:
    Images = object

# Packages that come with an extra of ours, so that their versions fit this torch.
_INSTALL = {
    "open_clip": "pip install 'accel_opt[clip]'",
    "torchvision": "pip install 'accel_opt[clip]'",
}


class Metric(ABC):
    """One number per image.

    A metric is made once per study and scores many batches; constructing it loads its weights.
    Scores of an image do not depend on what else is in the batch.

    `score` may run in another thread than the one that made the metric, in a CUDA stream of its
    own, while the next images are generated; never in two threads at once. It returns when its
    work on the device is done, with plain numbers, and turns gradients off by itself
    (`torch.inference_mode` or `torch.no_grad` within `score`): torch keeps that for each thread.

    Attributes:
        name: Name in options and constraints ("clip", "ssim").
        unit: What the number is, for tables.
        higher_is_better: Direction.
        loss: "relative": the loss is (baseline - accelerated) / baseline of the means.
            "absolute": the loss is the distance from what a perfect copy of the baseline's
            image would score (1 for SSIM), averaged over the images.
        perfect: What a perfect copy scores; used by absolute losses only. 0 where no finite
            number would do (PSNR): the limit is then on the score itself.
        ceiling: What a perfect copy scores where that is not `perfect`, else None.
        bounds: Between which numbers a limit of an absolute loss makes sense, ends excluded;
            None for any. Limits of relative losses lie in (0, 1).
        requires: Packages it imports.
        weights: What it fetches on first use unless told otherwise, with its size; "" for
            nothing.
        reference: Paper or package.
        scorer: Weights or implementation behind the numbers, named beside them everywhere.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    loss: ClassVar[Literal["relative", "absolute"]] = "relative"
    perfect: ClassVar[float] = 1.0
    ceiling: ClassVar[float | None] = None
    bounds: ClassVar[tuple[float, float] | None] = None
    requires: ClassVar[tuple[str, ...]] = ()
    weights: ClassVar[str] = ""
    reference: ClassVar[str] = ""
    scorer: str = ""

    @abstractmethod
    def score(
        self, images: Images, prompts: Sequence[str], baseline: Images | None = None
    ) -> tuple[float, ...]:
        """Scores images one by one.

        Args:
            images: `(N, H, W, 3)`, 8 bit.
            prompts: Their N prompts.
            baseline: The baseline's images for the same prompts and seeds, same shape; only
                metrics with an absolute loss look at it.

        Returns:
            N numbers in `unit`: floats, on no device.
        """

    @classmethod
    def has_weights(cls) -> bool | None:
        """Whether `weights` are on this machine; None where the metric cannot tell."""
        return None if cls.weights else True

    @classmethod
    def check_packages(cls) -> None:
        """Makes sure that what the metric imports is installed; constructors call it.

        Raises:
            MissingPackageError: With what to type.
        """
        for package in cls.requires:
            if find_spec(package) is None:
                raise MissingPackageError(package, f"metric {cls.name}", _INSTALL.get(package, ""))
