"""Schedulers (samplers) by nickname or diffusers class name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from accel_opt.core.errors import InputError, UnknownNameError

# Names that people write, in task texts and result keys among them, and the classes they mean.
NICKNAMES = {
    "DDIM": "DDIMScheduler",
    "DPM-Solver++": "DPMSolverMultistepScheduler",
    "UniPC": "UniPCMultistepScheduler",
    "UniPCMultistep": "UniPCMultistepScheduler",
    "DPMSolverMultistep": "DPMSolverMultistepScheduler",
    "DPM++": "DPMSolverMultistepScheduler",
    "Euler": "EulerDiscreteScheduler",
    "EulerA": "EulerAncestralDiscreteScheduler",
    "Heun": "HeunDiscreteScheduler",
    "PNDM": "PNDMScheduler",
    "LMS": "LMSDiscreteScheduler",
    "DDPM": "DDPMScheduler",
}
# Their models are trained for a handful of steps of this one scheduler.
_DISTILLED = ("LCM", "TCD", "SCM")
_CLASSES = frozenset(NICKNAMES.values())


def scheduler_class_name(name: str) -> str:
    """The diffusers class name that a nickname or class name means.

    Any name that ends in "Scheduler" is passed on: whether diffusers has it is found when a
    pipeline is loaded, so that this works without importing diffusers.

    Raises:
        UnknownNameError: Neither a nickname nor a class name.
    """
    plain = _plain(name)
    for nickname, class_name in NICKNAMES.items():
        if plain in (_plain(nickname), _plain(class_name)):
            return class_name
    if re.fullmatch(r"[A-Za-z]\w*Scheduler", name):
        return name
    raise UnknownNameError("scheduler", name, NICKNAMES, "Any diffusers scheduler class is taken.")


def set_scheduler(pipe: Any, name: str) -> None:
    """Gives `pipe` the named scheduler, made from its present one's configuration.

    Raises:
        UnknownNameError: diffusers has no such scheduler.
        InputError: The model was trained for another process than the scheduler runs.
    """
    import diffusers

    class_name = scheduler_class_name(name)
    found = getattr(diffusers, class_name, None)
    if found is None or not hasattr(found, "from_config"):
        known = [n for n in dir(diffusers) if n.endswith("Scheduler")]
        raise UnknownNameError("scheduler", name, known)
    own, config = type(pipe.scheduler).__name__, pipe.scheduler.config
    if own == class_name:
        return
    had, wanted = expects(own, config), expects(class_name, _carried(found, config))
    if had != wanted:
        raise InputError(
            f"scheduler={name!r} runs a process of {wanted}, and {type(pipe).__name__} was "
            f"trained for {had} ({own}); leave --scheduler out to keep its own"
        )
    pipe.scheduler = found.from_config(config)


def expects(class_name: str, config: Mapping[str, Any]) -> str:
    """What a model's scheduler takes its output for.

    Returns:
        "noise" (or the velocity of noise, as Stable Diffusion), "flow" (flow matching, as Flux),
        or "few steps" (distilled for the scheduler, as LCM).
    """
    flow = config.get("use_flow_sigmas") or config.get("prediction_type") == "flow_prediction"
    if class_name.startswith("FlowMatch") or flow:
        return "flow"
    return "few steps" if class_name.startswith(_DISTILLED) else "noise"


def _carried(found: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a configuration another scheduler class takes over."""
    known = inspect.signature(found.__init__).parameters  # type: ignore[misc]
    return {name: value for name, value in config.items() if name in known}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", name.lower()).removesuffix("scheduler")
