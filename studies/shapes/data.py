"""Drawings, captions and latents that the training stages share, cached beside the checkpoints."""

import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from drawing import Pixels, draw
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPTokenizer
from world import Scene, caption, draw_scenes

COUNT = 24_000  # drawings
SEED = 7
_CHUNK = 2_000


def scenes(count: int = COUNT) -> list[Scene]:
    """The training scenes; the first `count` of a fixed list."""
    return draw_scenes(count, SEED)


def draw_chunk(some: list[Scene], seed: int) -> Pixels:
    """Drawings of the scenes, (n, 64, 64, 3) uint8."""
    rng = random.Random(seed)
    return np.stack([draw(scene, rng) for scene in some])


def drawings(folder: Path, count: int = COUNT) -> Pixels:
    """Drawings of the training scenes, (count, 64, 64, 3) uint8; drawn once, then read."""
    path = folder / f"drawings-{count}.npy"
    if not path.exists():
        some = scenes(count)
        chunks = [some[start : start + _CHUNK] for start in range(0, count, _CHUNK)]
        with ProcessPoolExecutor(2) as pool:
            parts = list(pool.map(draw_chunk, chunks, range(SEED, SEED + len(chunks))))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.concatenate(parts))
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """(n, 64, 64, 3) uint8 to (n, 3, 64, 64) float in -1..1."""
    return torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 127.5 - 1


def token_ids(texts: list[str], tokenizer: CLIPTokenizer) -> Tensor:
    """Padded token numbers, (n, 24)."""
    encoded = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
    return encoded.input_ids  # type: ignore[no-any-return]


def captions_of(some: list[Scene]) -> list[str]:
    """Their captions, in order."""
    return [caption(scene) for scene in some]
