"""CLIP features through transformers' CLIPModel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel_opt.core.errors import InputError
from accel_opt.core.hub import Wanted, explained, reachable
from accel_opt.core.imports import imports_explained
from accel_opt.core.quiet import loading_quietly
from accel_opt.metrics.base import Images
from accel_opt.metrics.clip_checkpoint import Checkpoint

if TYPE_CHECKING:
    import torch

OFFLINE_WAYS = (
    "Offline ways: --scorer with the folder of a CLIP checkpoint, set HF_HOME to a cache that has "
    "it, or use --model shapes, which brings its own"
)


class TransformersEncoder:
    """A CLIPModel with its processor.

    Args:
        checkpoint: Hub id or folder.
        device: Where it runs.
    """

    def __init__(self, checkpoint: Checkpoint, device: str) -> None:
        self._device = device
        with imports_explained(), loading_quietly("transformers"):
            self._model, self._processor = _load(checkpoint.model)
        self._model.to(device).eval()

    def images(self, images: Images) -> torch.Tensor:
        """Features `(N, D)` of `(N, H, W, 3)` 8-bit images, of any length."""
        inputs = self._processor.image_processor(list(images), return_tensors="pt")
        pixels = inputs["pixel_values"].to(self._device, self._model.dtype)
        return _features(self._model.get_image_features(pixel_values=pixels))

    def to(self, device: str) -> None:
        """Moves the model."""
        self._model.to(device)
        self._device = device

    def texts(self, prompts: list[str]) -> torch.Tensor:
        """Features `(N, D)` of N prompts, of any length."""
        tokenizer = self._processor.tokenizer
        longest = self._model.config.text_config.max_position_embeddings
        tokens = tokenizer(
            prompts,
            padding="max_length",
            max_length=min(tokenizer.model_max_length, longest),
            truncation=True,
            return_tensors="pt",
        ).to(self._device)
        return _features(
            self._model.get_text_features(
                input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
            )
        )


def _load(source: str) -> tuple[Any, Any]:
    from transformers import AutoConfig, CLIPModel, CLIPProcessor

    arguments = {"local_files_only": not Path(source).is_dir() and not reachable()}
    try:
        kind = AutoConfig.from_pretrained(source, **arguments).model_type
        processor = CLIPProcessor.from_pretrained(source, **arguments)
        # Safetensors come first; a .bin is read by torch.load with weights_only=True.
        model, report = CLIPModel.from_pretrained(source, output_loading_info=True, **arguments)
    except Exception as error:
        # A damaged checkpoint makes its readers raise a dozen unrelated types.
        raise explained(error, Wanted(source, "CLIP checkpoint", OFFLINE_WAYS)) from error
    missing = sorted(report["missing_keys"])
    if kind != "clip" or missing:
        # transformers fills what a file lacks with random numbers, and only logs it.
        lacks = f"; its weights lack {missing[0]}" if missing else ""
        raise InputError(f"{source} is a {kind} checkpoint, no complete CLIPModel{lacks}")
    return model, processor


def _features(output: Any) -> torch.Tensor:
    # transformers 5 returns an output object where 4 returned the tensor.
    features: torch.Tensor = getattr(output, "pooler_output", output).float()
    return features
