"""How a program gets its pipeline, and what its accelerators may know of the run."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

from accel_opt.core.errors import UnknownNameError
from accel_opt.core.run import ModelInfo, RunInfo
from accel_opt.pipelines.catalogue import find_model

# Schedulers that visit timesteps twice, and how many denoiser calls n steps make.
_REPEATING = {
    "HeunDiscreteScheduler": lambda n: 2 * n - 1,
    "KDPM2DiscreteScheduler": lambda n: 2 * n - 1,
    "KDPM2AncestralDiscreteScheduler": lambda n: 2 * n - 1,
    "PNDMScheduler": lambda n: n + 1,
}
_SHAPES = {
    "StableDiffusionPipeline": ModelInfo("StableDiffusionPipeline"),
    "StableDiffusionXLPipeline": ModelInfo("StableDiffusionXLPipeline", "unet", 9, (2, 4)),
    "PixArtAlphaPipeline": ModelInfo("PixArtAlphaPipeline", "transformer", 0, (1,)),
    "PixArtSigmaPipeline": ModelInfo("PixArtSigmaPipeline", "transformer", 0, (1,)),
}
_ANY = "DiffusionPipeline"
_PROMPT = "a photo of an astronaut riding a horse on mars"
_EMBEDDED_PROMPT = "a large red ring on a blue background"


@dataclass(frozen=True)
class ModelSource:
    """Where a program's pipeline comes from.

    Attributes:
        source: Hub id, folder, or the name of an embedded model.
        pipeline_class: Class to load it by; `DiffusionPipeline` lets its own files say.
        embedded: Whether `accel_opt.load_pipeline` must load it.
        info: Shape of the denoiser, as far as the class tells it.
        guidance_scale: Guidance unless told otherwise.
        half: Precision on GPUs unless told otherwise.
        prompt: One that it knows.
        call_arguments: What its calls need besides.
    """

    source: str
    pipeline_class: str
    embedded: bool
    info: ModelInfo
    guidance_scale: float
    half: str
    prompt: str = _PROMPT
    call_arguments: tuple[tuple[str, Any], ...] = ()


def model_source(name: str, provenance: Mapping[str, Any]) -> ModelSource:
    """Where the model of an entry comes from.

    Args:
        name: Model name of the key, hub id or folder.
        provenance: The entry's; may name the pipeline's class.
    """
    recorded = provenance.get("pipeline")
    recorded = recorded if isinstance(recorded, str) else ""
    found = None
    with contextlib.suppress(UnknownNameError, OSError, ValueError, RuntimeError):
        found = find_model(name)
    if found is None:
        info = _shape(recorded)
        return ModelSource(name, _ANY, False, info, 7.5, _half(info))
    info = _shape(found.pipeline_class or recorded)
    return ModelSource(
        source=found.source or found.name,
        pipeline_class=found.pipeline_class or _ANY,
        embedded=found.kind == "embedded",
        info=info,
        guidance_scale=found.guidance_scale,
        half=found.dtype or _half(info),
        prompt=_EMBEDDED_PROMPT if found.kind == "embedded" else _PROMPT,
        call_arguments=found.call_arguments,
    )


def _shape(pipeline: str) -> ModelInfo:
    """What a pipeline class tells of its denoiser; one that nobody knows is taken for a UNet's."""
    if pipeline in _SHAPES or not re.fullmatch(r"[A-Za-z0-9]+Pipeline", pipeline):
        return _SHAPES.get(pipeline, ModelInfo(pipeline))
    import diffusers

    found = getattr(diffusers, pipeline, None)
    if found is not None and "transformer" in signature(found.__init__).parameters:
        return ModelInfo(pipeline, "transformer", 0, (1,))
    return ModelInfo(pipeline)


def _half(info: ModelInfo) -> str:
    """Half precision as `load_pipeline` chooses it."""
    return "float16" if info.denoiser == "unet" else "bfloat16"


def run_of(model: ModelSource, scheduler: str, steps: int, guidance_scale: float) -> RunInfo:
    """What is known of a program's run without loading anything."""
    repeats = _REPEATING.get(scheduler)
    return RunInfo(
        steps=repeats(steps) if repeats else steps,
        guidance_scale=guidance_scale,
        scheduler=scheduler,
        model=model.info,
        distinct_timesteps=repeats is None,
    )
