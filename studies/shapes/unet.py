"""The denoiser: trained on cached latents under the frozen text tower of the small CLIP."""

from collections.abc import Callable
from pathlib import Path

import torch
import vae
from clip import Towers
from data import captions_of, drawings, scenes, to_tensor, token_ids
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from fast import speed_up
from stage import Stage
from tokenizer import build as build_tokenizer
from torch import Tensor, nn
from torch.nn import functional

BATCH = 32  # for each process
EMPTY_SHARE = 0.1  # of captions replaced by the empty one, for classifier-free guidance
CHANNELS = (32, 64, 96, 96)


def build() -> UNet2DConditionModel:
    """An untrained denoiser of Stable Diffusion's layout: four levels, three with attention."""
    torch.manual_seed(2)
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=CHANNELS,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        layers_per_block=2,
        cross_attention_dim=128,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def scheduler() -> DDIMScheduler:
    """Stable Diffusion's noise schedule; the denoiser predicts velocity (arXiv:2202.00512)."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


def trained_vae(folder: Path) -> AutoencoderKL:
    """The averaged autoencoder of its stage."""
    model = vae.build()
    model.load_state_dict(torch.load(folder / "vae.pt", weights_only=True)["average"])
    return model.eval()


def latents(folder: Path) -> tuple[Tensor, float]:
    """Scaled latents of all drawings, (n, 4, 16, 16), unit deviation; and the factor applied."""
    path = folder / "latents.pt"
    if not path.exists():
        model, pixels = trained_vae(folder), drawings(folder)
        chunks = range(0, len(pixels), 1000)
        parts = [vae.encode(model, to_tensor(pixels[c : c + 1000])).half() for c in chunks]
        torch.save(torch.cat(parts), path)
    plain = torch.load(path, weights_only=True)
    factor = round(1 / float(plain.float().std()), 4)
    return plain * factor, factor


@torch.no_grad()
def embeddings(folder: Path) -> tuple[Tensor, Tensor]:
    """Hidden states of all captions (n, 24, 128), and of the empty one (24, 128)."""
    words = build_tokenizer(folder / "tokenizer")
    towers = Towers(words)
    towers.load_state_dict(torch.load(folder / "clip.pt", weights_only=True)["average"])
    ids = token_ids(["", *captions_of(scenes())], words)
    model = towers.clip.text_model.eval()
    hidden = torch.cat([model(input_ids=part).last_hidden_state.half() for part in ids.split(500)])
    return hidden[1:], hidden[0]


def noised(
    x: Tensor, noise_schedule: DDIMScheduler, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Latents with noise, their times (n,), and the velocities that are to be predicted."""
    # one time in each of equal strata: less noise in the gradient
    strata = torch.randperm(len(x), generator=generator)
    within = torch.rand(len(x), generator=generator)
    times = ((strata + within) * (1000 / len(x))).long().clamp(max=999)
    noise = torch.randn(x.shape, generator=generator)
    noisy = noise_schedule.add_noise(x, noise, times)
    return noisy, times, noise_schedule.get_velocity(x, noise, times)


def train(folder: Path, minutes: float, steps: int = 20_000) -> None:
    model = build().to(memory_format=torch.channels_last)
    speed_up(model)
    run = Stage("unet", model, folder, steps, 1.5e-3, minutes, warmup=200, ema=0.998)
    run.run(_losses(run.model, folder))


def _losses(model: nn.Module, folder: Path) -> Callable[[torch.Generator], Tensor]:
    clean, _ = latents(folder)
    hidden, empty = embeddings(folder)
    noise_schedule = scheduler()

    def loss_of(generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(clean), (BATCH,), generator=generator)
        x, text = clean[rows].float(), hidden[rows].float()
        dropped = torch.rand(BATCH, generator=generator) < EMPTY_SHARE
        text[dropped] = empty.float()
        noisy, times, target = noised(x, noise_schedule, generator)
        with torch.autocast("cpu", torch.bfloat16):
            noisy = noisy.to(memory_format=torch.channels_last)
            guess = model(noisy, times, text).sample
        return functional.mse_loss(guess.float(), target)

    return loss_of
