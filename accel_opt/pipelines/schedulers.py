"""Schedulers (samplers) by nickname or diffusers class name."""

from __future__ import annotations

import re
from typing import Any

from accel_opt.core.errors import UnknownNameError

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
    """
    import diffusers

    class_name = scheduler_class_name(name)
    found = getattr(diffusers, class_name, None)
    if found is None or not hasattr(found, "from_config"):
        known = [n for n in dir(diffusers) if n.endswith("Scheduler")]
        raise UnknownNameError("scheduler", name, known)
    if type(pipe.scheduler).__name__ != class_name:
        pipe.scheduler = found.from_config(pipe.scheduler.config)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", name.lower()).removesuffix("scheduler")
