"""Found settings on a pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accel_opt.accelerators import stack
from accel_opt.accelerators.handle import Handle
from accel_opt.core.config import Config, Params
from accel_opt.core.errors import InputError
from accel_opt.pipelines import MODELS, find_model
from accel_opt.results import Entry, Found, lookup


def apply(pipe: Any, config: Config | Mapping[str, Params] | Entry | Found) -> Handle:
    """Puts accelerators on a pipeline until `remove()`.

    Args:
        pipe: A diffusers text-to-image pipeline.
        config: A config, a plain dictionary of one, or an entry of search_params.json.

    Returns:
        A handle: call it like the pipeline, `remove()` it when done.

    Raises:
        RefusedError: An accelerator cannot run on this pipeline, or one is on already.
        InputError: A parameter is unknown or of another type.
    """
    return stack.apply(pipe, _config(config))


def accelerated(pipe: Any, config: Config | Mapping[str, Params] | Entry | Found) -> Handle:
    """As `apply`, for `with`: the pipeline is as before when the block ends."""
    return stack.apply(pipe, _config(config))


def accelerate(
    pipe: Any, params: str | Path = "search_params.json", *, steps: int | None = None
) -> Handle:
    """Looks a pipeline's own config up in a file of results, and applies what stands there.

    Args:
        pipe: A diffusers pipeline; its model id and scheduler say what is looked up.
        params: A search_params.json.
        steps: Number of steps it will be called with; None takes what the file has when that
            is one number only.

    Raises:
        InputError: The file has no entry for this config; the message names the nearest ones.
    """
    name = model_name(pipe)
    scheduler = type(pipe.scheduler).__name__
    if steps is None:
        steps = _only_steps(params, name, scheduler)
    return apply(pipe, lookup(params, model=name, scheduler=scheduler, steps=steps))


def model_name(pipe: Any) -> str:
    """The catalogue's name of a pipeline's model, else the id or folder it was loaded from.

    A pipeline that was built from parts has the name of its class.
    """
    from accel_opt import shapes

    source = str(getattr(pipe.config, "_name_or_path", "") or pipe.name_or_path or "")
    if not source:
        return type(pipe).__name__  # built from parts
    embedded = shapes.model_name(source)
    if embedded:
        return embedded
    try:
        return find_model(source).name
    except InputError:
        return source


def _only_steps(params: str | Path, model: str, scheduler: str) -> int:
    from accel_opt.results import read

    steps = {
        entry.key.steps
        for entry in read(params).entries.values()
        if entry.key.model == model and entry.key.scheduler == scheduler
    }
    if len(steps) != 1:
        known = ", ".join(map(str, sorted(steps))) or "none"
        raise InputError(
            f"{params} holds results of {model} with {scheduler} for these steps: {known}; "
            "say which with steps=20"
        )
    return steps.pop()


def _config(config: Config | Mapping[str, Params] | Entry | Found) -> Config:
    if isinstance(config, Found):
        config = config.entry
    if isinstance(config, Entry):
        return config.config
    return config if isinstance(config, Config) else Config(config)


__all__ = ["MODELS", "accelerate", "accelerated", "apply", "model_name"]
