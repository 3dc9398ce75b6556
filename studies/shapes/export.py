"""Writes what the package carries: the pipeline's and the scorer's folders, in half precision."""

import json
import shutil
from pathlib import Path
from typing import Any

import clip
import dit
import t5
import tokenizer
import torch
import unet
from diffusers import PixArtAlphaPipeline, StableDiffusionPipeline
from transformers import CLIPModel, CLIPProcessor, CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WEIGHTS = Path(__file__).parents[2] / "accel_opt" / "shapes" / "weights"


def _state(folder: Path, stage: str) -> dict[str, Any]:
    return torch.load(folder / f"{stage}.pt", weights_only=True)  # type: ignore[no-any-return]


def _towers(folder: Path, stage: str, words: CLIPTokenizer) -> CLIPModel:
    towers = clip.Towers(words)
    towers.load_state_dict(_state(folder, stage)["average"])
    return towers.clip.eval()


def _text_encoder(model: CLIPModel) -> CLIPTextModel:
    """The text tower as a model of its own, as pipelines hold it."""
    encoder = CLIPTextModel(CLIPTextConfig(**model.config.text_config.to_dict()))
    wanted = encoder.state_dict()
    given = {name: value for name, value in model.state_dict().items() if "text" in name}
    plain = {name.removeprefix("text_model."): value for name, value in given.items()}
    source = plain if not next(iter(wanted)).startswith("text_model.") else given
    encoder.load_state_dict({name: source[name] for name in wanted})
    return encoder.eval()


def pipeline(folder: Path) -> StableDiffusionPipeline:
    """The pipeline of the newest checkpoints."""
    words = tokenizer.build(folder / "tokenizer")
    autoencoder = unet.trained_vae(folder)
    autoencoder.register_to_config(scaling_factor=unet.latents(folder)[1])
    denoiser = unet.build()
    denoiser.load_state_dict(_state(folder, "unet")["average"])
    return StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=_text_encoder(_towers(folder, "clip", words)),
        tokenizer=words,
        unet=denoiser.eval(),
        scheduler=unet.scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def dit_pipeline(folder: Path) -> PixArtAlphaPipeline:
    """The transformer's pipeline of the newest checkpoints, on the same autoencoder."""
    words = t5.build_tokenizer()
    denoiser = dit.build()
    denoiser.load_state_dict(_state(folder, "dit")["average"])
    return PixArtAlphaPipeline(
        tokenizer=words,
        text_encoder=t5.trained(folder, words),
        vae=pipeline(folder).vae,
        transformer=denoiser.eval(),
        scheduler=unet.scheduler(),
    )


def train(folder: Path, _minutes: float) -> None:
    """Exports; trains nothing (the minutes are for stages that do)."""
    words = tokenizer.build(folder / "tokenizer")
    target = WEIGHTS / "pipeline"
    shutil.rmtree(target, ignore_errors=True)
    pipeline(folder).to(dtype=torch.float16).save_pretrained(target)
    if (folder / "dit.pt").exists():
        target = WEIGHTS / "dit"
        shutil.rmtree(target, ignore_errors=True)
        dit_pipeline(folder).to(dtype=torch.float16).save_pretrained(target)
        shutil.rmtree(target / "vae")  # the other pipeline's
    stage = "polish" if (folder / "polish.pt").exists() else "clip"
    target = WEIGHTS / "clip"
    shutil.rmtree(target, ignore_errors=True)
    _towers(folder, stage, words).half().save_pretrained(target)
    CLIPProcessor(image_processor=clip.image_processor(), tokenizer=words).save_pretrained(target)
    about: dict[str, Any] = {"guidance_scale": 4.0, "height": 64, "width": 64, "stages": {}}
    for name in ("vae", "clip", "unet", "polish", "t5", "dit"):
        if (folder / f"{name}.pt").exists():
            state = _state(folder, name)
            spent = round(state["spent_s"] / 60, 1)
            about["stages"][name] = {"steps": state["step"], "minutes": spent}
    (WEIGHTS / "about.json").write_text(json.dumps(about, indent=2) + "\n")
    for path in WEIGHTS.rglob("*"):  # safetensors' files are for their owner alone
        path.chmod(0o755 if path.is_dir() else 0o644)
    total = sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file())
    print(f"{WEIGHTS}: {total / 1e6:.1f} MB")
