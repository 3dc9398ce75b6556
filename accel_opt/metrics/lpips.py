"""LPIPS: distance of deep features to the baseline's image.

Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
arXiv:1801.03924; computed by torchmetrics on torchvision's AlexNet.
"""

from __future__ import annotations

import pickle
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from accel_opt.core.errors import CorruptFileError, HubUnreachableError
from accel_opt.core.imports import imports_explained
from accel_opt.metrics.base import Images, Metric
from accel_opt.metrics.image_pairs import pairs

if TYPE_CHECKING:
    import torch

# The backbone as torchvision names it; torchmetrics brings the layers' weights itself.
BACKBONE = "alexnet-owt-7be5be79.pth"
HOST = "download.pytorch.org"
PROBE_S = 5.0


class Lpips(Metric):
    """Perceptual distance; 0 is a perfect copy.

    Args:
        device: Where it runs.

    Raises:
        MissingPackageError: torchvision is not installed.
        HubUnreachableError: The backbone's weights are neither there nor reachable.
        CorruptFileError: They are no file of tensors.
    """

    name: ClassVar[str] = "lpips"
    unit: ClassVar[str] = "distance to the baseline's image, 0 = equal"
    higher_is_better: ClassVar[bool] = False
    loss: ClassVar[Literal["relative", "absolute"]] = "absolute"
    perfect: ClassVar[float] = 0.0
    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)
    requires: ClassVar[tuple[str, ...]] = ("torchmetrics", "torchvision")
    weights: ClassVar[str] = "AlexNet of torchvision, 0.24 GB"
    reference: ClassVar[str] = "arXiv:1801.03924"
    scorer = "torchmetrics LPIPS, AlexNet"

    def __init__(self, device: str = "cpu") -> None:
        self.check_packages()
        _check_weights()
        with imports_explained():
            from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        self._net: torch.nn.Module = LearnedPerceptualImagePatchSimilarity(
            net_type="alex", normalize=True
        ).net.to(device)
        self._device = device

    @classmethod
    def has_weights(cls) -> bool:
        """Whether the backbone is where torchvision looks for it."""
        return _backbone().is_file()

    def score(
        self, images: Images, prompts: Sequence[str], baseline: Images | None = None
    ) -> tuple[float, ...]:
        """LPIPS of each `(H, W, 3)` image, at least 32 pixels wide and high, to the baseline's."""
        import torch

        del prompts
        scores: list[float] = []
        with torch.inference_mode():
            for mine, base in pairs(self.name, images, baseline, self._device):
                scores += self._net(mine, base, normalize=True).flatten().tolist()
        return tuple(scores)


def _backbone() -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE


def _check_weights() -> None:
    """Reads the cached weights as tensors only: torchvision would unpickle whatever lies there."""
    import torch

    path = _backbone()
    if path.is_file():
        try:
            torch.load(path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            raise CorruptFileError(
                f"{path} is no file of tensors; it is refused. Remove it, and it is fetched anew"
            ) from error
        return
    try:
        socket.create_connection((HOST, 443), timeout=PROBE_S).close()
    except OSError as error:
        raise HubUnreachableError(
            f"the weights of lpips are not in {path} and {HOST} is not reachable. Offline ways: "
            "put the file there from another machine, or use ssim or psnr"
        ) from error
