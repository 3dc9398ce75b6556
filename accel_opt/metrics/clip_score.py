"""CLIP score: 100 x cosine similarity of image and text, clamped at 0.

Hessel et al., "CLIPScore", arXiv:2104.08718, with the scale of the torchmetrics package.
open_clip and transformers prepare images differently (up to 0.015 of a pixel's range), so that
the scorer stands beside every number and no study mixes the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Protocol

from accel_opt.metrics.base import Images, Metric
from accel_opt.metrics.clip_checkpoint import (
    TRANSFORMERS_DEFAULT,
    Checkpoint,
    default_is_cached,
    find_checkpoint,
)

if TYPE_CHECKING:
    import torch

DEFAULT_CHECKPOINT = TRANSFORMERS_DEFAULT
BATCH = 16


class ClipEncoder(Protocol):
    """What a package must give: features of images and of texts in one space."""

    def images(self, images: Images) -> torch.Tensor:
        """Features `(N, D)` of `(N, H, W, 3)` 8-bit images, of any length."""
        ...

    def texts(self, prompts: list[str]) -> torch.Tensor:
        """Features `(N, D)` of N prompts, of any length."""
        ...

    def to(self, device: str) -> None:
        """Moves the model."""
        ...


class ClipScore(Metric):
    """CLIP score through open_clip or transformers' CLIPModel.

    Args:
        checkpoint: "open_clip:MODEL/PRETRAINED" (a tag or a file), a folder that either package
            saved, or the hub id of a CLIPModel. The default, ViT-g-14 laion2b_s34b_b88k, is read
            by open_clip where it is installed, else by transformers.
        device: Where it runs.

    Raises:
        HubUnreachableError: The checkpoint is neither local nor reachable.
        MissingPackageError: open_clip is asked for and not installed.
        InputError: There is no such checkpoint, or it holds more than tensors.
    """

    name: ClassVar[str] = "clip"
    unit: ClassVar[str] = "100 x cosine"
    requires: ClassVar[tuple[str, ...]] = ("transformers",)
    weights: ClassVar[str] = "ViT-g-14 laion2b_s34b_b88k, 5.5 GB"
    reference: ClassVar[str] = "arXiv:2104.08718"

    def __init__(self, checkpoint: str = DEFAULT_CHECKPOINT, device: str = "cpu") -> None:
        found = find_checkpoint(checkpoint)
        self._encoder = _encoder(found, device)
        self._texts: dict[str, torch.Tensor] = {}
        self.scorer = found.label

    @classmethod
    def has_weights(cls) -> bool:
        """Whether the default checkpoint is cached, as the package that would read it wants it."""
        return default_is_cached()

    def score(
        self, images: Images, prompts: Sequence[str], baseline: Images | None = None
    ) -> tuple[float, ...]:
        """Scores `(N, H, W, 3)` 8-bit images against their prompts, in batches of 16."""
        import torch

        del baseline
        scores: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(prompts), BATCH):
                part = list(prompts[start : start + BATCH])
                seen = _unit(self._encoder.images(images[start : start + BATCH]))
                cosine = (seen * self._text_features(part)).sum(dim=-1)
                scores += [100 * max(value, 0.0) for value in cosine.tolist()]
        return tuple(scores)

    def to(self, device: str) -> None:
        """Moves the model that scores, as a torch module is moved."""
        self._encoder.to(device)

    def _text_features(self, prompts: list[str]) -> torch.Tensor:
        """Unit features `(N, D)`; each text is encoded once in the life of the metric."""
        import torch

        new = [text for text in dict.fromkeys(prompts) if text not in self._texts]
        if new:
            self._texts.update(zip(new, _unit(self._encoder.texts(new)), strict=True))
        return torch.stack([self._texts[text] for text in prompts])


# One checkpoint is loaded once in a process, however many studies score with it.
@lru_cache(maxsize=2)
def _encoder(checkpoint: Checkpoint, device: str) -> ClipEncoder:
    if checkpoint.package == "open_clip":
        from accel_opt.metrics.clip_open_clip import OpenClipEncoder

        return OpenClipEncoder(checkpoint, device)
    from accel_opt.metrics.clip_transformers import TransformersEncoder

    return TransformersEncoder(checkpoint, device)


def _unit(features: torch.Tensor) -> torch.Tensor:
    unit: torch.Tensor = features / features.norm(dim=-1, keepdim=True)
    return unit
