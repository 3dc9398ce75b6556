"""The small CLIP: contrastive training of both towers, with hard negatives.

To each picture's caption come captions that differ in one attribute, which count as further wrong
answers for every picture. A linear read-out of the attributes from either embedding, shared by both
towers and dropped after training, shortens the way there. `polish` later goes on with a copy of
both towers for the score, on reconstructions of the autoencoder too.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tokenizer
import torch
from data import captions_of, drawings, scenes, to_tensor, token_ids
from stage import Stage
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer
from world import ATTRIBUTE_SIZES, attributes, caption, mutate

BATCH = 96
NEGATIVES = 1  # changed captions per picture
WIDTH = 128
MEAN, DEVIATION = 0.5, 0.5


def build(words: CLIPTokenizer) -> CLIPModel:
    """An untrained CLIPModel; the text tower is later the pipeline's text encoder."""
    torch.manual_seed(1)
    text = {
        "vocab_size": len(words),
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "projection_dim": WIDTH,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": tokenizer.LENGTH,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
    }
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 3 * WIDTH,
        "projection_dim": WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": 64,
        "patch_size": 8,
    }
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=WIDTH)
    config.initializer_factor = 1.0
    return CLIPModel(config)


def image_processor() -> CLIPImageProcessor:
    """Pixels to -1..1 at 64x64."""
    size = {"height": 64, "width": 64}
    return CLIPImageProcessor(
        do_resize=True,
        size=size,
        do_center_crop=False,
        crop_size=size,
        image_mean=[MEAN] * 3,
        image_std=[DEVIATION] * 3,
    )


class Towers(nn.Module):
    """The CLIPModel with its read-out of attributes."""

    def __init__(self, words: CLIPTokenizer) -> None:
        super().__init__()
        self.clip = build(words)
        self.read = nn.Linear(WIDTH, sum(ATTRIBUTE_SIZES))

    def images(self, pixels: Tensor) -> Tensor:
        """(n, 3, 64, 64) in -1..1 to unit vectors (n, 128)."""
        pooled = self.clip.vision_model(pixel_values=pixels).pooler_output
        return functional.normalize(self.clip.visual_projection(pooled).float(), dim=-1)

    def texts(self, ids: Tensor) -> Tensor:
        """(n, 24) to unit vectors (n, 128)."""
        pooled = self.clip.text_model(input_ids=ids).pooler_output
        return functional.normalize(self.clip.text_projection(pooled).float(), dim=-1)

    def reading_loss(self, unit: Tensor, truth: Tensor) -> Tensor:
        """Mean cross-entropy of the attributes (n, 10), read from unit vectors."""
        logits = self.read(unit * 8).split(ATTRIBUTE_SIZES, dim=1)
        losses = [functional.cross_entropy(x, truth[:, i]) for i, x in enumerate(logits)]
        return torch.stack(losses).mean()


def soften(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """A third of the pictures blurred a little and noised: nothing hangs on single pixels."""
    n = len(pixels)
    blurred = functional.avg_pool2d(functional.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, 1)
    share = torch.rand(n, 1, 1, 1, generator=generator) * 0.6
    noise = torch.randn(pixels.shape, generator=generator) * 0.06
    chosen = (torch.rand(n, 1, 1, 1, generator=generator) < 0.33).float()
    return pixels + chosen * (share * (blurred - pixels) + noise)


class Batches:
    """Pictures, captions, changed captions and attributes of the training scenes."""

    def __init__(self, words: CLIPTokenizer, pixels: np.ndarray[Any, Any]) -> None:
        self.words, self.pixels = words, pixels
        self.scenes = scenes(len(pixels))
        self.ids = token_ids(captions_of(self.scenes), words)
        self.truth = torch.tensor([attributes(scene) for scene in self.scenes])

    def draw(self, generator: torch.Generator, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pixels, ids of true captions, ids of changed captions, attributes."""
        rows = torch.randperm(len(self.pixels), generator=generator)[:size].sort().values
        rng = random.Random(int(rows.sum()))
        wrong = [
            caption(mutate(self.scenes[row], rng))
            for row in rows.tolist()
            for _ in range(NEGATIVES)
        ]
        picture = soften(to_tensor(self.pixels[rows.numpy()]), generator)
        return picture, self.ids[rows], token_ids(wrong, self.words), self.truth[rows]


def contrast(towers: Towers, images: Tensor, texts: Tensor, wrong: Tensor) -> Tensor:
    """Symmetric contrastive loss; changed captions are wrong answers for the pictures."""
    scale = towers.clip.logit_scale.exp().clamp(max=40)
    logits = scale * images @ torch.cat([texts, wrong]).T
    target = torch.arange(len(images))
    backward = functional.cross_entropy(logits[:, : len(texts)].T, target)
    return 0.5 * (functional.cross_entropy(logits, target) + backward)


def train(folder: Path, minutes: float, steps: int = 4000) -> None:
    """Both towers, on drawings."""
    words = tokenizer.build(folder / "tokenizer")
    run = Stage("clip", Towers(words), folder, steps, 1.5e-3, minutes, ema=0.995, weight_decay=0.05)
    run.run(_losses(run.model, Batches(words, drawings(folder))))  # type: ignore[arg-type]


def _losses(towers: Towers, batches: Batches) -> Callable[[torch.Generator], Tensor]:
    def loss_of(generator: torch.Generator) -> Tensor:
        pixels, true, wrong, truth = batches.draw(generator, BATCH)
        with torch.autocast("cpu", torch.bfloat16):
            images, both = towers.images(pixels), towers.texts(torch.cat([true, wrong]))
        texts, changed = both.split([len(true), len(wrong)])
        reading = towers.reading_loss(images, truth) + towers.reading_loss(texts, truth)
        return contrast(towers, images, texts, changed) + reading

    return loss_of
