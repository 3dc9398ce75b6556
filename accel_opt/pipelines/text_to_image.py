"""Whether a diffusers pipeline makes images from text alone, told from its class."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from accel_opt.core.errors import InputError, MissingPackageError
from accel_opt.pipelines.hub import has_part

_MOVING = ("num_frames", "video_length", "audio_length_in_s", "audio_end_in_s")
_PICTURES = ("image", "images", "mask_image", "control_image", "video", "latent_image")


def pipeline_class(index: Mapping[str, Any], source: str) -> Any:
    """The class that a model_index.json names.

    Raises:
        InputError: This diffusers has no such class, or it makes no images from text alone.
        MissingPackageError: The class needs a package that is not installed.
    """
    import diffusers

    name = index["_class_name"]
    if not isinstance(name, str):
        raise InputError(f"{source} brings Python code of its own; accel_opt runs none of it")
    found = getattr(diffusers, name, None)
    if found is None:
        raise InputError(
            f"{source} is a {name}, which diffusers {diffusers.__version__} does not have; "
            "it may come from a newer one: pip install -U diffusers"
        )
    lacking = [p for p in getattr(found, "_backends", ()) if find_spec(p) is None]
    if lacking:
        raise MissingPackageError(lacking[0], f"{source}, a {name}", f"pip install {lacking[0]}")
    reason = refusal(found)
    if reason is None and not any(has_part(index, part) for part in ("unet", "transformer")):
        reason = "it has neither a UNet nor a transformer"
    if reason is not None:
        raise InputError(
            f"{source} is a {name}, no text-to-image pipeline that accel_opt can drive: {reason}. "
            "`accel-opt show models` lists some that are"
        )
    return found


def part_class(index: Mapping[str, Any], name: str, source: str) -> Any:
    """The class of one part of a pipeline, as its model_index.json names it.

    Raises:
        InputError: It is none of diffusers', or this diffusers does not have it.
    """
    import diffusers

    library, kind = index.get(name) or (None, None)
    if library != "diffusers":
        raise InputError(f"{source}: its {name} is no class of diffusers; accel_opt runs no other")
    found = getattr(diffusers, str(kind), None)
    if found is None:
        raise InputError(
            f"{source}: its {name} is a {kind}, which diffusers {diffusers.__version__} does not "
            "have; it may come from a newer one: pip install -U diffusers"
        )
    return found


def check_text_to_image(pipe: Any) -> None:
    """Refuses a pipeline object that makes no images from text alone.

    Raises:
        InputError: With the reason.
    """
    reason = refusal(type(pipe))
    if reason is not None:
        raise InputError(
            f"{type(pipe).__name__} is no text-to-image pipeline that accel_opt can drive: {reason}"
        )


def refusal(found: Any) -> str | None:
    """Why a pipeline class is not text-to-image; None when it is."""
    parameters = inspect.signature(found.__call__).parameters
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    if "prompt" not in parameters and not anything:
        return "it takes no prompt"
    moving = [name for name in _MOVING if name in parameters]
    if moving:
        return f"it makes films or sound ({moving[0]})"
    pictures = [name for name in _PICTURES if name in parameters]
    if pictures and not _draws_without(found):
        return f"it needs a picture beside the prompt ({pictures[0]})"
    return None


def _draws_without(found: Any) -> bool:
    # Some text-to-image pipelines take a picture if they get one; diffusers lists them, but
    # lists those that cannot do without one (ControlNet, inpainting) beside them.
    from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING

    guided = any(word in found.__name__ for word in ("Control", "Inpaint", "Kontext"))
    return found in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values() and not guided
