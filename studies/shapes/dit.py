"""The denoiser of `shapes-dit`: PixArt's transformer, on the latents that the UNet learns from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import t5
import teacher
import torch
from data import captions_of, scenes
from diffusers import PixArtTransformer2DModel
from fast import PlainAttention
from stage import Stage
from teacher import Noised
from torch import Tensor
from torch.nn import functional
from unet import EMPTY_SHARE, latents, noised, scheduler

BATCH = 48  # for each process
TAUGHT_SHARE = 0.8  # of what is learned: the UNet's guess; the rest is the drawing's own velocity
LAYERS, HEADS, HEAD_WIDTH = 8, 5, 32
# PixArt's other conditions, which a model of one size has not.
NO_CONDITIONS = {"resolution": None, "aspect_ratio": None}


def build() -> PixArtTransformer2DModel:
    """An untrained transformer on 64 patches of 2 x 2 latents."""
    torch.manual_seed(4)
    return PixArtTransformer2DModel(
        num_attention_heads=HEADS,
        attention_head_dim=HEAD_WIDTH,
        in_channels=4,
        out_channels=4,
        num_layers=LAYERS,
        cross_attention_dim=HEADS * HEAD_WIDTH,
        sample_size=16,
        patch_size=2,
        caption_channels=t5.WIDTH,
        use_additional_conditions=False,
        interpolation_scale=1,
    )


@torch.no_grad()
def embeddings(folder: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Hidden states (n, 24, 128) and masks (n, 24) of all captions, and those of the empty one."""
    words = t5.build_tokenizer()
    model = t5.trained(folder, words)
    ids, mask = t5.encoded(["", *captions_of(scenes())], words)
    parts = zip(ids.split(500), mask.split(500), strict=True)
    hidden = torch.cat([model(input_ids=i, attention_mask=m).last_hidden_state for i, m in parts])
    return hidden[1:].half(), mask[1:], hidden[0].half(), mask[0]


def train(folder: Path, minutes: float, steps: int = 40_000) -> None:
    model = build()
    model.set_attn_processor(PlainAttention())
    run = Stage("dit", model, folder, steps, 1.5e-3, minutes, warmup=300, ema=0.999, muon=True)
    # Compiled code shares the weights; what is saved does not know of it.
    run.run(_losses(torch.compile(run.model), folder))


def _losses(model: Callable[..., Any], folder: Path) -> Callable[[torch.Generator], Tensor]:
    clean, _ = latents(folder)
    hidden, masks, empty, empty_mask = embeddings(folder)
    noise_schedule = scheduler()

    def draw(index: int) -> Noised:
        generator = torch.Generator().manual_seed(index)
        rows = torch.randint(len(clean), (BATCH,), generator=generator)
        dropped = torch.rand(BATCH, generator=generator) < EMPTY_SHARE
        return Noised(rows, dropped, *noised(clean[rows].float(), noise_schedule, generator))

    taught = teacher.guesses(folder, draw, BATCH)

    def loss_of(generator: torch.Generator) -> Tensor:
        index = generator.initial_seed() % teacher.BLOCKS
        batch = draw(index)
        text, mask = hidden[batch.rows].float(), masks[batch.rows].clone()
        text[batch.dropped], mask[batch.dropped] = empty.float(), empty_mask
        with torch.autocast("cpu", torch.bfloat16):
            guess = model(
                batch.noisy,
                encoder_hidden_states=text,
                timestep=batch.times,
                added_cond_kwargs=NO_CONDITIONS,
                encoder_attention_mask=mask,
            ).sample
        told = torch.from_numpy(taught[index].astype("float32"))
        return functional.mse_loss(guess.float(), torch.lerp(batch.target, told, TAUGHT_SHARE))

    return loss_of
