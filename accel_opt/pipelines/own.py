"""What a model outside the catalogue says of itself, where a user says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

from accel_opt.pipelines.catalogue import FOR_TRANSFORMERS, Model
from accel_opt.pipelines.hub import HubOptions, read_index, read_json, source_of
from accel_opt.pipelines.schedulers import expects
from accel_opt.pipelines.text_to_image import pipeline_class

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
        guidance_scale: What its pipeline's call takes by default; None when it takes none.
        accelerators: What a search tries; () for the usual ones, which are those of UNets.
    """

    scheduler: str
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
    name = str(index.get("scheduler", ["", _USUAL])[1])
    config = read_json(source, model.kind, "scheduler/scheduler_config.json", options)
    denoiser = "unet" if index.get("unet") else "transformer"
    return _own(found, denoiser, name, config)


def own_defaults_of(pipe: Any) -> Own:
    """The same of a pipeline that somebody built."""
    denoiser = "unet" if getattr(pipe, "unet", None) is not None else "transformer"
    scheduler = type(pipe.scheduler).__name__
    own = _own(type(pipe), denoiser, scheduler, pipe.scheduler.config)
    return Own(scheduler, own.guidance_scale, own.accelerators)


def _own(found: type, denoiser: str, scheduler: str, config: Mapping[str, Any]) -> Own:
    default = getattr(signature(found.__call__).parameters.get("guidance_scale"), "default", None)
    guidance = float(default) if isinstance(default, int | float) else None
    usual = expects(scheduler, config) == "noise"
    return Own(_USUAL if usual else scheduler, guidance, _accelerators(found.__name__, denoiser))


def _accelerators(pipeline: str, denoiser: str) -> tuple[str, ...]:
    if denoiser == "unet":
        return ()
    kinds = (names for start, names in _TRANSFORMERS.items() if pipeline.startswith(start))
    return next(kinds, _OTHER_TRANSFORMERS)
