"""Names of models and schedulers in one spelling, so that equal configs compare equal."""

from __future__ import annotations

import contextlib
import functools

from accel_opt.core.errors import UnknownNameError
from accel_opt.pipelines.catalogue import find_model
from accel_opt.pipelines.schedulers import scheduler_class_name


def canonical_config(model: str, scheduler: str, steps: int) -> tuple[str, str, int]:
    """A pipeline config with its names in the catalogue's spelling."""
    return (canonical_model(model), canonical_scheduler(scheduler), steps)


@functools.lru_cache(maxsize=4096)
def canonical_model(name: str) -> str:
    """The catalogue's name of a model; any other name stands for itself."""
    with contextlib.suppress(UnknownNameError, OSError, ValueError, RuntimeError):
        return find_model(name).name
    return name


@functools.lru_cache(maxsize=4096)
def canonical_scheduler(name: str) -> str:
    """The class name of a scheduler; any other name stands for itself."""
    with contextlib.suppress(UnknownNameError):
        return scheduler_class_name(name)
    return name
