"""Loading a pipeline: embedded, from the hub, or from a folder."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

from accel_opt.core.errors import InputError
from accel_opt.core.hub import explained
from accel_opt.core.imports import imports_explained
from accel_opt.core.memory import free, is_out_of_memory, short_text
from accel_opt.core.quiet import loading_quietly
from accel_opt.pipelines.catalogue import Model, find_model
from accel_opt.pipelines.devices import (
    check_device,
    default_device,
    default_dtype,
    torch_dtype,
    usual_dtype,
)
from accel_opt.pipelines.hub import HubOptions, has_part, read_index, source_of
from accel_opt.pipelines.random_weights import random_pipeline
from accel_opt.pipelines.schedulers import set_scheduler
from accel_opt.pipelines.text_to_image import pipeline_class

OnNotice = Callable[[str], None]

__all__ = ["default_device", "load_pipeline", "torch_dtype"]


def load_pipeline(
    model: str | Model = "shapes",
    *,
    scheduler: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    cache_dir: str | None = None,
    revision: str | None = None,
    variant: str | None = None,
    token: str | None = None,
    local_files_only: bool = False,
    weights: Literal["pretrained", "random"] = "pretrained",
    on_notice: OnNotice | None = None,
) -> Any:
    """Loads a text-to-image pipeline, ready to call.

    Args:
        model: Catalogue name ("shapes", "SD1.5", "SDXL"), hub id, local folder, or what
            `find_model` returned.
        scheduler: Nickname ("DDIM") or diffusers class name; None keeps the model's own.
        device: "cuda", "mps", "cpu"; None takes the best there is.
        dtype: "float32", "float16", "bfloat16"; None takes half precision on GPUs.
        cache_dir: Where hub files are kept; None honours `HF_HOME`.
        revision: Branch, tag or commit on the hub.
        variant: File variant such as "fp16".
        token: Token of the hub; None honours `HF_TOKEN` and a stored login.
        local_files_only: Whether only the cache is looked into, as `HF_HUB_OFFLINE` does.
        weights: "random" builds the full-size architecture without its weights: good for
            measuring speed, never quality.
        on_notice: Told in one line each: mirrors, and the device and precision chosen. None
            warns of mirrors, and is silent about the rest.

    Returns:
        A diffusers pipeline on the device, without safety checker and progress bars.

    Raises:
        UnknownNameError: No such model or scheduler.
        HubUnreachableError: The model is neither cached nor reachable.
        InputError: The model is gated or missing, is no text-to-image pipeline, holds code, or
            the device is not there or too small.
    """
    found = model if isinstance(model, Model) else find_model(model)
    tell = on_notice or _silent
    place = check_device(device or default_device())
    with imports_explained(), loading_quietly("diffusers", "transformers"):
        if weights == "random":
            precision = dtype or default_dtype(place, found.dtype)
            torch_dtype(precision, place)
            pipe = random_pipeline(found, device=place, dtype=precision)
        else:
            options = HubOptions(cache_dir, revision, variant, token, local_files_only)
            source = _located(found, options, on_notice or _warn)
            index = read_index(source, found.kind, options)
            usual = usual_dtype(found.dtype, unet=has_part(index, "unet"))
            precision = dtype or default_dtype(place, usual)
            kind = torch_dtype(precision, place)
            pipe = _from_pretrained(source, index, options, found.kind, kind)
        if scheduler is not None:
            set_scheduler(pipe, scheduler)
        pipe.set_progress_bar_config(disable=True)
        pipe = _placed(pipe, place, found.name)
    if device is None or dtype is None:
        tell(f"{found.name} runs on {place} in {precision}")
    if place.startswith("cpu") and precision == "float16":
        tell("float16 is slow on CPUs; float32 is faster here")
    return pipe


def _placed(pipe: Any, device: str, name: str) -> Any:
    try:
        return pipe.to(device)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        failure = short_text(error)
    free(device)
    raise InputError(
        f"{name} does not fit into the memory that {device} has left: give --dtype float16 or "
        f"another --device, or end what else runs there ({failure})"
    )


def find_pipeline(model: Model, options: HubOptions, on_notice: OnNotice) -> None:
    """Makes sure that a model is there and makes images from text; loads no weights.

    Args:
        model: Which.
        options: How the hub is asked.
        on_notice: Told when it comes from a mirror.

    Raises:
        HubUnreachableError: Neither cached nor reachable.
        InputError: Gated, missing, or no text-to-image pipeline.
    """
    if model.kind != "embedded":
        source = _located(model, options, on_notice)
        with imports_explained(), loading_quietly("diffusers", "transformers"):
            pipeline_class(read_index(source, model.kind, options), source)


def _located(model: Model, options: HubOptions, tell: OnNotice) -> str:
    """Hub id or folder to load from; a person is told when it is not what the name suggests."""
    if model.kind == "embedded":
        from accel_opt import shapes

        return str(shapes.pipeline_folder(model.name))
    source = source_of(model, options) if model.kind == "hub" else model.source
    if source != model.source:
        tell(f"{source} is loaded from the cache; it was withdrawn from the hub")
    elif model.notice:
        tell(model.notice)
    return source


def _from_pretrained(
    source: str, index: dict[str, Any], options: HubOptions, kind: str, dtype: Any
) -> Any:
    found = pipeline_class(index, source)
    arguments: dict[str, Any] = {"dtype": dtype}
    # Parts that were left out when it was saved (SD3 without T5): diffusers wants to be told so.
    arguments |= {name: None for name, part in index.items() if part == [None, None]}
    if kind == "embedded":
        arguments |= _shared(source, dtype)
    else:
        arguments["variant"] = options.variant
    if kind == "hub":
        arguments |= options.arguments()
    if "safety_checker" in index:
        # A checker that strikes returns a black image, and takes time of every call.
        arguments |= {"safety_checker": None, "requires_safety_checker": False}
    if "StableDiffusionXL" in found.__name__:
        # A watermark, written where its package happens to be installed, changes the pixels.
        arguments["add_watermarker"] = False
    try:
        # Safetensors come first; a .bin is read by torch.load with weights_only=True.
        return found.from_pretrained(source, **arguments)
    except Exception as error:
        # Diffusers lets through whatever a damaged file makes its readers raise.
        raise explained(error, options.wanted(source)) from error


def _shared(source: str, dtype: Any) -> dict[str, Any]:
    """The parts that one embedded pipeline has from the other, by name."""
    from diffusers import AutoencoderKL

    from accel_opt import shapes

    folders = shapes.shared_parts(source)
    return {name: AutoencoderKL.from_pretrained(f, dtype=dtype) for name, f in folders.items()}


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=4)


def _silent(text: str) -> None:
    del text
