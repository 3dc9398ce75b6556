"""CLIP features through open_clip, the extra `clip`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel_opt.core.errors import InputError, MissingPackageError
from accel_opt.core.hub import Wanted, explained, reachable, unreachable
from accel_opt.core.imports import imports_explained
from accel_opt.core.weight_files import has_weights, snapshot_of
from accel_opt.metrics.base import Images
from accel_opt.metrics.clip_checkpoint import OPEN_CLIP_STEMS, Checkpoint, open_clip_installed
from accel_opt.metrics.clip_transformers import OFFLINE_WAYS

if TYPE_CHECKING:
    import torch


class OpenClipEncoder:
    """A model of open_clip with its preprocessing and tokenizer, in float32.

    Args:
        checkpoint: Model and tag or file, or a folder saved by open_clip.
        device: Where it runs.

    Raises:
        MissingPackageError: open_clip or torchvision is not installed.
        HubUnreachableError: The weights are neither cached nor reachable.
        InputError: open_clip knows no such model or tag, or the file holds more than tensors.
    """

    def __init__(self, checkpoint: Checkpoint, device: str) -> None:
        if not open_clip_installed():
            raise MissingPackageError(
                "open_clip_torch", f"CLIP {checkpoint.model}", "pip install 'accel_opt[clip]'"
            )
        self._device = device
        with imports_explained():
            self._model, self._preprocess, self._tokenizer = _load(checkpoint, device)

    def images(self, images: Images) -> torch.Tensor:
        """Features `(N, D)` of `(N, H, W, 3)` 8-bit images, of any length."""
        import torch
        from PIL import Image

        pixels = torch.stack([self._preprocess(Image.fromarray(image)) for image in images])
        features: torch.Tensor = self._model.encode_image(pixels.to(self._device))
        return features.float()

    def to(self, device: str) -> None:
        """Moves the model."""
        self._model.to(device)
        self._device = device

    def texts(self, prompts: list[str]) -> torch.Tensor:
        """Features `(N, D)` of N prompts, of any length."""
        tokens = self._tokenizer(prompts).to(self._device)
        features: torch.Tensor = self._model.encode_text(tokens)
        return features.float()


def _load(checkpoint: Checkpoint, device: str) -> tuple[Any, Any, Any]:
    import open_clip

    name = checkpoint.model
    if not checkpoint.pretrained:
        name = f"local-dir:{checkpoint.model}"
    elif not Path(checkpoint.pretrained).is_file():
        _check_tag(checkpoint)
    try:
        # weights_only is open_clip's default; said here, as it is what keeps pickles out.
        model, _, preprocess = open_clip.create_model_and_transforms(
            name, pretrained=checkpoint.pretrained or None, device=device, weights_only=True
        )
        return model.eval(), preprocess, open_clip.get_tokenizer(name)
    except Exception as error:
        # open_clip raises RuntimeError for what it finds wrong, and lets torch's own through.
        source = checkpoint.pretrained or checkpoint.model
        raise explained(error, Wanted(source, "CLIP checkpoint", OFFLINE_WAYS)) from error


def _check_tag(checkpoint: Checkpoint) -> None:
    """Finds out before open_clip tries for minutes, and says so in one line."""
    import open_clip

    model, tag = checkpoint.model, checkpoint.pretrained
    if model not in open_clip.list_models():
        raise InputError(f"open_clip has no model {model!r}; open_clip.list_models() has all")
    tags = open_clip.list_pretrained_tags_by_model(model)
    if tag not in tags:
        known = ", ".join(tags[:8]) or "none"
        raise InputError(
            f"open_clip:{model}/{tag}: {tag!r} is neither a file nor a tag of the model; "
            f"tags: {known}"
        )
    source = open_clip.get_pretrained_cfg(model, tag).get("hf_hub", "").rstrip("/")
    if source and not reachable() and not _cached(source):
        raise unreachable(Wanted(source, "CLIP checkpoint", OFFLINE_WAYS))


def _cached(source: str) -> bool:
    folder = snapshot_of(source)
    return folder is not None and has_weights(folder, OPEN_CLIP_STEMS)
