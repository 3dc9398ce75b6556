"""accel_opt finds the fastest safe settings of training-free diffusion accelerators.

    import accel_opt

    result = accel_opt.search(model="shapes", steps=20, accelerators=["deepcache", "tome"])
    pipe = accel_opt.load_pipeline("shapes")
    with accel_opt.accelerated(pipe, result.best.config) as fast:
        images = fast("a large red ring on a blue background").images

Names are resolved on first use: importing the package loads neither torch nor diffusers.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accel_opt import results, tasks
    from accel_opt.accelerators.registry import register
    from accel_opt.codegen import generate_code
    from accel_opt.core.config import Config
    from accel_opt.core.dims import Float, Int
    from accel_opt.core.errors import InputError
    from accel_opt.core.measurement import Batch, BatchMeasurement, Best, Interval, Limit
    from accel_opt.facade.apply import accelerate, accelerated, apply
    from accel_opt.facade.search import search
    from accel_opt.facade.work_search import search_work
    from accel_opt.pipelines.load import load_pipeline
    from accel_opt.results import lookup
    from accel_opt.search.space import Space

__version__ = "0.1.0"

_HOMES = {
    "Batch": "accel_opt.core.measurement",
    "BatchMeasurement": "accel_opt.core.measurement",
    "Best": "accel_opt.core.measurement",
    "Config": "accel_opt.core.config",
    "Float": "accel_opt.core.dims",
    "InputError": "accel_opt.core.errors",
    "Int": "accel_opt.core.dims",
    "Interval": "accel_opt.core.measurement",
    "Limit": "accel_opt.core.measurement",
    "Space": "accel_opt.search.space",
    "accelerate": "accel_opt.facade.apply",
    "accelerated": "accel_opt.facade.apply",
    "apply": "accel_opt.facade.apply",
    "generate_code": "accel_opt.codegen",
    "load_pipeline": "accel_opt.pipelines.load",
    "lookup": "accel_opt.results",
    "register": "accel_opt.accelerators.registry",
    "search_work": "accel_opt.facade.work_search",
}
_ROOMS = ("results", "search", "tasks")

__all__ = [
    "Batch",
    "BatchMeasurement",
    "Best",
    "Config",
    "Float",
    "InputError",
    "Int",
    "Interval",
    "Limit",
    "Space",
    "__version__",
    "accelerate",
    "accelerated",
    "apply",
    "generate_code",
    "load_pipeline",
    "lookup",
    "register",
    "results",
    "search",
    "search_work",
    "tasks",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return import_module(f"accel_opt.{name}")
    raise AttributeError(f"module 'accel_opt' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)


class _SearchRoom(ModuleType):
    """`accel_opt.search` is both the room and the function that people call."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """See `accel_opt.facade.search.search`."""
        return import_module("accel_opt.facade.search").search(*args, **kwargs)


class _FrontDoor(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        # Importing a submodule binds it here, over the function of the same name.
        if name == "search" and isinstance(value, ModuleType):
            value.__class__ = _SearchRoom
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor
