"""What `accel-opt doctor --model NAME` says: how it would run, and which accelerators fit it."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from accel_opt.core.errors import MissingPackageError

if TYPE_CHECKING:
    from accel_opt.core.dims import Dim
    from accel_opt.pipelines import Model


def check(ok: bool | None, what: str, says: str) -> dict[str, Any]:
    """One line of the report; `ok` is None for what is neither right nor wrong."""
    return {"ok": ok, "what": what, "says": says}


def model_checks(name: str, steps: int, scheduler: str | None) -> list[dict[str, Any]]:
    """How a model runs here, and each accelerator's ranges or the reason why it does not fit.

    Catalogue models are looked at without their weights: what fits is a matter of shapes.

    Args:
        name: Catalogue name, hub id or folder.
        steps: Inference steps that the ranges are for.
        scheduler: Nickname or class name; None takes the model's own.

    Raises:
        InputError: No such model; or it must be loaded for its shapes, and cannot be.
    """
    from accel_opt.accelerators import stack
    from accel_opt.pipelines import find_model

    model = find_model(name)
    pipe = _pipeline(model, scheduler)
    run = stack.run_info(pipe, steps, model.guidance_scale)
    return [*_running(model, pipe, steps), *_accelerators(pipe, run)]


def _pipeline(model: Model, scheduler: str | None) -> Any:
    from accel_opt.pipelines.load import load_pipeline

    if model.architecture:
        return load_pipeline(model, scheduler=scheduler, weights="random", device="meta")
    return load_pipeline(model, scheduler=scheduler)


def _running(model: Model, pipe: Any, steps: int) -> list[dict[str, Any]]:
    from accel_opt.accelerators.model import setup_of
    from accel_opt.pipelines.devices import default_device, default_dtype

    device = default_device()
    dtype = default_dtype(device, model.dtype)
    side = model.resolution or "its own"
    says = (
        f"{type(pipe).__name__}, {type(pipe.scheduler).__name__}, {steps} steps, {side} pixels, "
        f"guidance {model.guidance_scale:g}, on {device} in {dtype}"
    )
    found = [check(True, "model", says), _weights(model)]
    if model.notice:
        found.append(check(None, "mirror", model.notice))
    setup = setup_of(pipe)
    if setup:
        found.append(check(None, "set up", ", ".join(f"{k}: {v}" for k, v in setup.items())))
    return found


def _weights(model: Model) -> dict[str, Any]:
    if model.kind != "hub":
        return check(True, "weights", model.source or "in this package")
    from huggingface_hub import try_to_load_from_cache

    for source in (model.source, *model.former):
        if isinstance(try_to_load_from_cache(source, "model_index.json"), str):
            return check(True, "weights", f"{source} is in the cache")
    says = f"{model.source} is not in the cache; it is fetched from the hub on first use"
    ways = "speed alone needs none: --weights random" if model.architecture else ""
    return check(None, "weights", f"{says}{'; ' + ways if ways else ''}")


def _accelerators(pipe: Any, run: Any) -> list[dict[str, Any]]:
    from accel_opt.accelerators import registry, stack

    found, fitting = [], []
    for name in registry.names():
        try:
            plugin = registry.get(name)
        except MissingPackageError as error:
            found.append(check(False, name, str(error)))
            continue
        refusal = stack.supports((name,), pipe)
        if refusal:
            found.append(check(None, name, refusal.reason.removeprefix(f"{name}: ")))
            continue
        fitting.append(name)
        found.append(check(True, name, ranges_text(plugin.ranges(run))))
    clashes = [
        f"{one} with {other}"
        for one, other in combinations(fitting, 2)
        if stack.supports((one, other), pipe)
    ]
    said = "any of these" + (f", but not {', '.join(clashes)}" if clashes else "")
    return [*found, check(None, "together", said)]


def ranges_text(ranges: dict[str, Dim]) -> str:
    """Ranges as people read them, the faster end named."""
    return ", ".join(
        f"{name} {dim.low:g}"
        if dim.low == dim.high
        else f"{name} {dim.low:g}..{dim.high:g} ({'higher' if dim.faster == 'up' else 'lower'} "
        "is faster)"
        for name, dim in ranges.items()
    )
