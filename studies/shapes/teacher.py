"""What the trained UNet says of noisy latents, for the transformer to learn from.

A drawing's own velocity is a noisy target: most of it cannot be told from the noisy latents. The
UNet's guess is nearly its mean, so a small model learns from it in fewer steps. It is asked once
about a fixed stock of batches, which training then goes through several times.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist
import unet
from fast import speed_up
from numpy.typing import NDArray
from stage import n_processes, process
from torch import Tensor

BLOCKS = 2_000


class Noised(NamedTuple):
    """One batch: rows of the drawings, which captions are dropped, and what is made of them."""

    rows: Tensor
    dropped: Tensor
    noisy: Tensor
    times: Tensor
    target: Tensor


Draw = Callable[[int], Noised]


def guesses(folder: Path, draw: Draw, size: int) -> NDArray[np.float16]:
    """The UNet's velocities of batch after batch, (BLOCKS, size, 4, 16, 16); made when missing."""
    path = folder / f"teacher-{BLOCKS}x{size}.npy"
    partial = path.with_suffix(".partial.npy")
    if not path.exists():
        if process() == 0:
            np.lib.format.open_memmap(partial, "w+", np.float16, (BLOCKS, size, 4, 16, 16)).flush()
        _meet()
        _fill(np.load(partial, mmap_mode="r+"), folder, draw)
        _meet()
        if process() == 0:
            partial.replace(path)
        _meet()
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


@torch.no_grad()
def _fill(stock: NDArray[np.float16], folder: Path, draw: Draw) -> None:
    model = unet.build().to(memory_format=torch.channels_last)
    model.load_state_dict(torch.load(folder / "unet.pt", weights_only=True)["average"])
    speed_up(model)
    model.eval()
    hidden, empty = unet.embeddings(folder)
    for index in range(process(), BLOCKS, n_processes()):
        batch = draw(index)
        text = hidden[batch.rows].float()
        text[batch.dropped] = empty.float()
        with torch.autocast("cpu", torch.bfloat16):
            noisy = batch.noisy.to(memory_format=torch.channels_last)
            stock[index] = model(noisy, batch.times, text).sample.float().numpy()
        if index % 200 == 0:
            print(f"teacher: {index} of {BLOCKS} batches", flush=True)


def _meet() -> None:
    if dist.is_initialized():
        dist.barrier()
