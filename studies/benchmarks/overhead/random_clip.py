"""A scorer as large as the default one, with random weights: its time is right, its numbers not."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from accel_opt.metrics.base import Images
from accel_opt.metrics.clip_score import ClipScore
from accel_opt.metrics.clip_transformers import TransformersEncoder
from accel_opt.pipelines.tokenizers import clip_tokenizer

# ViT-g-14 as open_clip lists it: 40 layers of 1408 in 16 heads of 88 for images, 24 of 1024 in 16
# heads for texts, 1.37 billion parameters.
VIT_G_14: dict[str, Any] = {
    "projection_dim": 1024,
    "vision_config": {
        "hidden_size": 1408,
        "intermediate_size": 6144,
        "num_hidden_layers": 40,
        "num_attention_heads": 16,
        "patch_size": 14,
        "image_size": 224,
        "hidden_act": "gelu",
    },
    "text_config": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "max_position_embeddings": 77,
        "vocab_size": 49408,
        "hidden_act": "gelu",
    },
}
_SMALL = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
SIZES: dict[str, dict[str, Any]] = {
    "ViT-g-14": VIT_G_14,
    "tiny": {
        "projection_dim": 32,
        "vision_config": VIT_G_14["vision_config"] | _SMALL,
        "text_config": VIT_G_14["text_config"] | _SMALL,
    },
}
SCORE = 30.0


def random_model(size: str, device: str) -> Any:
    """A CLIPModel of this size in float32, as scorers are."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    with torch.random.fork_rng(devices=[]), torch.device(device):
        return CLIPModel(CLIPConfig(**SIZES[size])).eval()


class RandomEncoder(TransformersEncoder):
    """The encoder that scores are taken with, around a model that nobody has trained."""

    def __init__(self, size: str, device: str) -> None:
        from transformers import CLIPImageProcessor

        self._device = device
        self._model = random_model(size, device)
        self._processor = SimpleNamespace(
            image_processor=CLIPImageProcessor(), tokenizer=clip_tokenizer(77)
        )


class RandomClip(ClipScore):
    """Works as the CLIP score does, then gives every image the same.

    Args:
        size: One of `SIZES`.
        device: Where it runs.
    """

    def __init__(self, size: str, device: str) -> None:
        self._encoder = RandomEncoder(size, device)
        self._texts = {}
        self.scorer = f"transformers CLIPModel, {size}, random weights"

    def score(
        self, images: Images, prompts: Sequence[str], baseline: Images | None = None
    ) -> tuple[float, ...]:
        return tuple(SCORE for _ in super().score(images, prompts, baseline))
