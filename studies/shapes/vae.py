"""The autoencoder: 64x64x3 pixels to 16x16x4 latents and back."""

from pathlib import Path

import torch
from data import drawings, to_tensor
from diffusers import AutoencoderKL
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from drawing import Pixels
from stage import Stage
from torch import Tensor
from torch.nn import functional

BATCH = 16
RATE = 2e-3


def build() -> AutoencoderKL:
    """An untrained AutoencoderKL, factor 4."""
    torch.manual_seed(0)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        sample_size=64,
        block_out_channels=(32, 48, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=4,
        mid_block_add_attention=False,
    )


@torch.no_grad()
def start_linear(model: AutoencoderKL) -> AutoencoderKL:
    """Starts every block as the identity, so that colours pass from the first step on."""
    for module in model.modules():
        if isinstance(module, ResnetBlock2D):
            module.conv2.weight.zero_()
            if module.conv_shortcut is not None:
                torch.nn.init.dirac_(module.conv_shortcut.weight)
        elif isinstance(module, Upsample2D | Downsample2D):
            kernel = module.conv.weight
            for channel in range(len(kernel)):
                if isinstance(module, Upsample2D):
                    kernel[channel, channel, 1, 1] += 1
                else:
                    kernel[channel, channel, :2, :2] += 0.25
    return model


def stage(folder: Path, minutes: float, steps: int = 4000) -> Stage:
    """The autoencoder's run: squared and absolute error, a faint pull to unit variance."""
    return Stage("vae", start_linear(build()), folder, steps, RATE, minutes, ema=0.995)


def train(folder: Path, minutes: float) -> None:
    run = stage(folder, minutes)
    pixels = drawings(folder)

    def loss_of(generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(pixels), (BATCH,), generator=generator)
        x = to_tensor(pixels[rows.sort().values.numpy()])
        with torch.autocast("cpu", torch.bfloat16):
            spread = run.model.encode(x).latent_dist  # type: ignore[operator]
            noise = torch.randn(spread.mean.shape, generator=generator)
            latent = spread.mean.float() + spread.std.float() * noise
            y = run.model.decode(latent).sample  # type: ignore[operator]
        y = y.float()
        pull = (
            0.5 * (spread.mean.float() ** 2 + spread.var.float() - 1 - spread.logvar.float()).mean()
        )
        return 4 * functional.mse_loss(y, x) + functional.l1_loss(y, x) + 1e-5 * pull

    run.run(loss_of)


@torch.no_grad()
def encode(model: AutoencoderKL, pixels: Tensor) -> Tensor:
    """Means of the latents, unscaled: (n, 3, 64, 64) to (n, 4, 16, 16)."""
    parts = [model.encode(part).latent_dist.mean for part in pixels.split(100)]
    return torch.cat(parts)


@torch.no_grad()
def decode(model: AutoencoderKL, latent: Tensor) -> Tensor:
    """Unscaled latents (n, 4, 16, 16) to pictures (n, 3, 64, 64) in about -1..1."""
    return torch.cat([model.decode(part).sample for part in latent.split(100)])


def reconstruct(model: AutoencoderKL, pixels: Tensor) -> Tensor:
    """(n, 3, 64, 64) to the same, through the latents."""
    return decode(model, encode(model, pixels))


def to_pixels(pictures: Tensor) -> Pixels:
    """(n, 3, 64, 64) in -1..1 to (n, 64, 64, 3) uint8."""
    scaled = ((pictures.clamp(-1, 1) + 1) * 127.5).round()
    return scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
