"""The inverse of `export`: checkpoints made from the weights that the package carries.

With it `train.py restore unet --minutes 60` trains the shipped denoiser further where the
checkpoints of its first training are gone. Optimizers start anew, under a new warm-up.
"""

from pathlib import Path
from typing import Any

import clip
import tokenizer
import torch
from diffusers import StableDiffusionPipeline
from export import WEIGHTS
from torch import nn
from transformers import CLIPModel

from accel_opt import shapes


def train(folder: Path, _minutes: float) -> None:
    """Writes vae.pt, clip.pt, polish.pt and unet.pt; refuses to overwrite any."""
    names = ("vae", "clip", "polish", "unet")
    there = [name for name in names if (folder / f"{name}.pt").exists()]
    if there:
        message = f"{folder} has checkpoints of {', '.join(there)}; restore into an empty --folder"
        raise SystemExit(message)
    folder.mkdir(parents=True, exist_ok=True)
    pipe = StableDiffusionPipeline.from_pretrained(WEIGHTS / "pipeline", dtype=torch.float32)
    words = tokenizer.build(folder / "tokenizer")
    _write(folder, "vae", pipe.vae)
    _write(folder, "unet", pipe.unet)
    towers = clip.Towers(words)
    towers.clip.load_state_dict(CLIPModel.from_pretrained(WEIGHTS / "clip").float().state_dict())
    _write(folder, "polish", towers)
    # the pipeline's text encoder is the text tower as it was before `polish`
    own = towers.clip.state_dict()
    for name, value in pipe.text_encoder.state_dict().items():
        tower_name = name if name in own else f"text_model.{name}"
        own[tower_name].copy_(value)
    _write(folder, "clip", towers)


def _write(folder: Path, stage: str, model: nn.Module) -> None:
    said = shapes.about()["stages"][stage]
    state: dict[str, Any] = {
        "model": model.state_dict(),
        "average": model.state_dict(),
        "optimizer": None,
        "step": said["steps"],
        "spent_s": said["minutes"] * 60,
        "decay": (None, None),
    }
    torch.save(state, folder / f"{stage}.pt")
