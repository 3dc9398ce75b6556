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
    had, wanted = process_of(type(pipe.scheduler), config), process_of(found, config)
    if had != wanted:
        raise InputError(
            f"scheduler={name!r} runs a process of {wanted}, and this {type(pipe).__name__} was "
            f"trained for {had}; {own} is its own: give --scheduler {own}"
        )
    pipe.scheduler = found.from_config(config)


def process_of(found: type, config: Mapping[str, Any]) -> str:
    """What a scheduler class takes a model's output for, given the model's configuration.

    Returns:
        "noise" (or its velocity, as Stable Diffusion and what was distilled from it), "flow"
        (flow matching, as Flux), or the scheduler's own name where only it runs such a model.
    """
    known = inspect.signature(found.__init__).parameters  # type: ignore[misc]
    sigmas = "use_flow_sigmas" in known and config.get("use_flow_sigmas")
    if found.__name__.startswith("FlowMatch") or sigmas:
        return "flow"
    usual = "beta_schedule" in known and "snr_shift_scale" not in known
    return (
        "noise" if usual and config.get("prediction_type") != "flow_prediction" else found.__name__
    )


def is_distilled(class_name: str) -> bool:
    """Whether models of a scheduler were trained for a handful of its steps."""
    return class_name.startswith(_DISTILLED)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", name.lower()).removesuffix("scheduler")
