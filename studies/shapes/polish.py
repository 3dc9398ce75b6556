"""The small CLIP's second training, for the score alone; the pipeline keeps the first text tower.

The pictures are drawings, a quarter of them passed through the autoencoder, as all generated
pictures are; so the score does not fall for what every picture of the pipeline has in common.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tokenizer
import torch
import vae
from clip import Batches, Towers, contrast
from data import drawings
from stage import Stage
from torch import Tensor
from unet import latents, trained_vae

BATCH = 48
RATE = 1.2e-3
LONGEST = 20  # tokens of the longest caption


def mixed(folder: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """The drawings with every fourth one replaced by its reconstruction, (n, 64, 64, 3)."""
    path = folder / "mixed.npy"
    if not path.exists():
        model = trained_vae(folder)
        scaled, factor = latents(folder)
        pixels = np.array(drawings(folder))
        for start in range(0, len(pixels), 200):
            some = slice(start + 3, start + 200, 4)
            pixels[some] = vae.to_pixels(vae.decode(model, scaled[some].float() / factor))
        np.save(path, pixels)
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def train(folder: Path, minutes: float, steps: int = 20_000) -> None:
    words = tokenizer.build(folder / "tokenizer")
    towers = Towers(words)
    towers.load_state_dict(torch.load(folder / "clip.pt", weights_only=True)["average"])
    towers.clip.set_attn_implementation("eager")  # its backward pass is the faster one on a CPU
    run = Stage("polish", towers, folder, steps, RATE, minutes, ema=0.998, weight_decay=0.05)
    run.run(_losses(towers, Batches(words, mixed(folder))))


def _losses(towers: Towers, batches: Batches) -> Callable[[torch.Generator], Tensor]:
    def loss_of(generator: torch.Generator) -> Tensor:
        pixels, true, wrong, truth = batches.draw(generator, BATCH)
        ids = torch.cat([true, wrong])[:, :LONGEST]  # the rest is padding, which changes nothing
        with torch.autocast("cpu", torch.bfloat16):
            images, both = towers.images(pixels), towers.texts(ids)
        texts, changed = both.split([len(true), len(wrong)])
        reading = 4 * towers.reading_loss(images, truth) + towers.reading_loss(texts, truth)
        return contrast(towers, images, texts, changed) + reading

    return loss_of
