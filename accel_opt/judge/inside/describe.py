"""What a live pipeline is and how it was called, as plain values."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any

from accel_opt.accelerators import registry
from accel_opt.accelerators.detect import Call
from accel_opt.accelerators.model import denoiser_of, is_compiled
from accel_opt.core.run import Refusal

# Handed to every call anew, or not a property of the images.
_OURS = {"prompt", "generator", "output_type", "return_dict", "num_inference_steps"}
_PLAIN = (bool, int, float, str)
_USUAL_ATTENTION = {"AttnProcessor", "AttnProcessor2_0"}
# Where the functions of an unchanged pipeline, and of packages that move it about, come from.
_KNOWN = {"torch", "diffusers", "transformers", "accelerate", "peft", "accel_opt", "functools"}


def accelerators(pipe: Any, call: Call) -> tuple[dict[str, Any], list[str]]:
    """Parameters by the name of each accelerator at work; why others cannot be repeated."""
    found, excuses = {}, []
    for name in registry.names():
        params = registry.get(name).detect(pipe, call)
        if isinstance(params, Refusal):
            excuses.append(f"{name}: {params.reason}")
        elif params is not None:
            found[name] = dict(params)
    return found, excuses


def scheduler_config(pipe: Any) -> dict[str, Any]:
    """The scheduler's configuration as far as it is plain."""
    return {
        name: value
        for name, value in dict(pipe.scheduler.config).items()
        if not name.startswith("_") and _is_json(value)
    }


def steps_of(pipe: Any, call: Call | None) -> int:
    """Steps of the call that has run: a fresh scheduler shows its training steps."""
    steps = getattr(pipe.scheduler, "num_inference_steps", None)
    if steps is None and call is not None:
        steps = call.arguments.get("num_inference_steps")
    return 50 if steps is None else int(steps)


def arguments(pipe: Any, call: Call) -> tuple[dict[str, Any], list[str]]:
    """What else the call was given, and what of it cannot be repeated."""
    usual = inspect.signature(type(pipe).__call__).parameters
    found, excuses = {}, []
    for name, value in call.arguments.items():
        if name in _OURS or name not in usual or _same(value, usual[name].default):
            continue
        if usual[name].kind is inspect.Parameter.VAR_KEYWORD and not value:
            continue
        plain = _one_for_all(value) if name.startswith("negative_prompt") else value
        if isinstance(plain, _PLAIN) or (isinstance(plain, list | tuple) and _is_json(plain)):
            found[name] = plain
        else:
            excuses.append(f"the call's argument {name} ({type(value).__name__})")
    if found.get("num_images_per_prompt", 1) != 1:
        excuses.append("several images for each prompt")
    return found, excuses


def size(pipe: Any, call: Call) -> list[int]:
    """Height and width asked for, in pixels."""
    sample = getattr(denoiser_of(pipe).config, "sample_size", None) or 0
    usual = list(sample) if isinstance(sample, list | tuple) else [sample, sample]
    factor = getattr(pipe, "vae_scale_factor", 8)
    asked = [call.arguments.get("height"), call.arguments.get("width")]
    return [int(a or factor * u) for a, u in zip(asked, usual, strict=True)]


def foreign(pipe: Any) -> list[str]:
    """Changes to the denoiser that no accelerator known here makes."""
    denoiser = denoiser_of(pipe)
    if is_compiled(denoiser):
        return ["the denoiser is compiled"]
    found = {
        f"{type(module).__name__}.{what} comes from {where}"
        for module in denoiser.modules()
        for what, where in _strange(module)
    }
    weight = next((p for p in denoiser.parameters() if p.ndim == 4 and min(p.shape[1:3]) > 1), None)
    if weight is not None and not weight.is_contiguous():
        found.add("the denoiser's weights lie in another memory format")
    return sorted(found)[:5]


def _strange(module: Any) -> Iterator[tuple[str, str]]:
    known = _KNOWN | {package for n in registry.names() for package in registry.get(n).requires}
    if type(module).__module__.partition(".")[0] not in known:
        yield "class", type(module).__module__
    processor = getattr(module, "processor", None)
    if processor is not None and type(processor).__name__ not in _USUAL_ATTENTION:
        yield "processor", type(processor).__name__
    hooks = [h for t in ("_forward_hooks", "_forward_pre_hooks") for h in vars(module)[t].values()]
    for function in (vars(module).get("forward"), type(module).forward, *hooks):
        where = _origin(function)
        if where and where.partition(".")[0] not in known and not _is_ours(function):
            yield "forward", where


def _origin(function: Any) -> str:
    if isinstance(function, MethodType):
        function = function.__func__
    if isinstance(function, FunctionType):
        # Not __module__: `functools.wraps` copies that of what is wrapped.
        return str(function.__globals__.get("__name__", "?"))
    return "" if function is None else str(getattr(function, "__module__", None) or "?")


def _is_ours(function: Any) -> bool:
    """Whether it is of hooks whose source programs carry; they are known by name."""
    names = {getattr(registry.get(n).hooks, "__name__", "?") for n in registry.names()}
    code = getattr(function, "__code__", None)
    return code is not None and code.co_qualname.partition(".")[0] in names | {"LiveRun"}


def _one_for_all(value: Any) -> Any:
    if isinstance(value, list) and value and all(one == value[0] for one in value):
        return value[0]
    return value


def _same(value: Any, usual: Any) -> bool:
    if value is usual:
        return True
    plain = (*_PLAIN, list, tuple)
    return isinstance(value, plain) and isinstance(usual, plain) and bool(value == usual)


def _is_json(value: Any) -> bool:
    try:
        return len(json.dumps(value, allow_nan=False)) < 10_000
    except (TypeError, ValueError):
        return False
