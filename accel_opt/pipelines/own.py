"""What a model outside the catalogue says of itself, where a user says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

from accel_opt.core.errors import InputError
from accel_opt.pipelines.catalogue import FOR_TRANSFORMERS, Model
from accel_opt.pipelines.hub import HubOptions, has_part, read_index, read_json, source_of
from accel_opt.pipelines.schedulers import is_distilled, process_of
from accel_opt.pipelines.text_to_image import part_class, pipeline_class

_USUAL = "DDIMScheduler"
# By the beginning of the pipeline's class; what else fits a model, `doctor --model` says.
_TRANSFORMERS = {"PixArt": FOR_TRANSFORMERS, "Flux": ("pab", "first_block_cache")}
_OTHER_TRANSFORMERS = ("pab",)


@dataclass(frozen=True)
class Own:
    """Defaults of one model.

    Attributes:
        scheduler: DDIM where the model was trained on noise as Stable Diffusion was, else the
            model's own, by class name.
        steps: What its pipeline takes by default, where it was trained for a handful of them;
            else None.
        guidance_scale: What its pipeline's call takes by default; None when it takes none.
        accelerators: What a search tries; () for the usual ones, which are those of UNets.
    """

    scheduler: str
    steps: int | None
    guidance_scale: float | None
    accelerators: tuple[str, ...]


def own_defaults(model: Model, options: HubOptions) -> Own:
    """Defaults of a folder or a hub id, from its configuration files alone.

    Raises:
        HubUnreachableError: Neither cached nor reachable.
        InputError: Gated, missing, or no text-to-image pipeline.
    """
    source = source_of(model, options) if model.kind == "hub" else model.source
    index = read_index(source, model.kind, options)
    found = pipeline_class(index, source)
    if not has_part(index, "scheduler"):
        raise InputError(f"{source} names no scheduler; it is no diffusers pipeline to search")
    scheduler = part_class(index, "scheduler", source)
    config = read_json(source, model.kind, "scheduler/scheduler_config.json", options)
    denoiser = "unet" if has_part(index, "unet") else "transformer"
    return _own(found, denoiser, scheduler, config)


def own_defaults_of(pipe: Any) -> Own:
    """The same of a pipeline that somebody built; its scheduler is the one that it has."""
    denoiser = "unet" if getattr(pipe, "unet", None) is not None else "transformer"
    scheduler = type(pipe.scheduler)
    own = _own(type(pipe), denoiser, scheduler, pipe.scheduler.config)
    return replace(own, scheduler=scheduler.__name__)


def _own(found: type, denoiser: str, scheduler: type, config: Mapping[str, Any]) -> Own:
    name, parameters = scheduler.__name__, signature(found.__call__).parameters
    few = is_distilled(name)
    guidance = getattr(parameters.get("guidance_scale"), "default", None)
    steps = getattr(parameters.get("num_inference_steps"), "default", None)
    return Own(
        scheduler=_USUAL if process_of(scheduler, config) == "noise" and not few else name,
        steps=steps if few and isinstance(steps, int) else None,
        guidance_scale=float(guidance) if isinstance(guidance, int | float) else None,
        accelerators=_accelerators(found.__name__, denoiser),
    )


def _accelerators(pipeline: str, denoiser: str) -> tuple[str, ...]:
    if denoiser == "unet":
        return ()
    kinds = (names for start, names in _TRANSFORMERS.items() if pipeline.startswith(start))
    return next(kinds, _OTHER_TRANSFORMERS)
