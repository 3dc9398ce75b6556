"""Full-size architectures with random weights, where the hub cannot be reached.

Speed and FLOPs depend on shapes alone and can be measured on them; their images mean nothing,
so quality is refused (`accel_opt.metrics.check_scorable`). The configurations in
`configs/` hold what the models' authors published, and the parameter counts that follow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from accel_opt.core.errors import InputError
from accel_opt.core.weights import mark_random_weights
from accel_opt.pipelines.catalogue import MODELS, Model, find_model
from accel_opt.pipelines.devices import torch_dtype
from accel_opt.pipelines.tokenizers import clip_tokenizer, t5_tokenizer

if TYPE_CHECKING:
    import torch

_TOKENIZERS = {"clip": clip_tokenizer, "t5": t5_tokenizer}


def architecture(model: str | Model) -> dict[str, Any]:
    """The committed configuration of a catalogue model.

    Returns:
        `pipeline` (class name), `options` (its further arguments), `components` by name, each
        with `class` ("package:Class"), `config` and, for networks, `parameters` (their number
        as published), and `tokenizers` by name (`kind`, `length`).

    Raises:
        InputError: No configuration is committed for this model.
    """
    found = model if isinstance(model, Model) else find_model(model)
    if not found.architecture:
        known = ", ".join(m.name for m in MODELS.values() if m.architecture)
        raise InputError(
            f"weights=random: no configuration of {found.name} is kept here, only of {known}"
        )
    return _read(found.architecture)


def denoiser_on_meta(model: str | Model, dtype: str = "float32") -> Any:
    """The UNet or transformer of a catalogue model on torch's `meta` device: shapes, no numbers.

    Args:
        model: Catalogue name or model.
        dtype: Precision of its parameters.

    Raises:
        InputError: No configuration is committed for this model.
    """
    import torch

    components = architecture(model)["components"]
    name = "unet" if "unet" in components else "transformer"
    with torch.device("meta"):
        network = _network(components[name])
    return _placed(network, "meta", torch_dtype(dtype, "meta"))


def random_pipeline(
    model: str | Model, *, device: str = "cpu", dtype: str = "float32", seed: int = 0
) -> Any:
    """A catalogue model's pipeline at full size with random weights, marked as such.

    Args:
        model: Catalogue name or model.
        device: Where the weights are made; "meta" makes none.
        dtype: Their precision.
        seed: Seed of the weights; global generators are left as they are.

    Raises:
        InputError: No configuration is committed for this model.
    """
    found = model if isinstance(model, Model) else find_model(model)
    pipe = build(architecture(found), device=device, dtype=dtype, seed=seed)
    pipe.register_to_config(_name_or_path=found.source)
    return pipe


def build(plan: Mapping[str, Any], *, device: str, dtype: str, seed: int) -> Any:
    """The pipeline that a configuration describes; see `architecture` for its fields."""
    import diffusers
    import torch

    generator = None if device == "meta" else torch.Generator(device).manual_seed(seed)
    kind = torch_dtype(dtype, device)
    parts: dict[str, Any] = dict(plan.get("options", {}))
    for name, component in plan["components"].items():
        parts[name] = _component(component, device, kind, generator)
    for name, tokenizer in plan["tokenizers"].items():
        parts[name] = _TOKENIZERS[tokenizer["kind"]](tokenizer["length"])
    pipe = getattr(diffusers, plan["pipeline"])(**parts)
    mark_random_weights(pipe)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _component(
    component: Mapping[str, Any],
    device: str,
    dtype: torch.dtype,
    generator: torch.Generator | None,
) -> Any:
    if "parameters" not in component:
        return _class(component).from_config(component["config"])
    import torch
    from accelerate import init_empty_weights

    # Parameters without memory, buffers (position tables) with their true values. Some classes
    # draw numbers before they are asked to, hence the fork.
    with torch.random.fork_rng(devices=[]), init_empty_weights(include_buffers=False):
        network = _network(component)
    if hasattr(network, "tie_weights"):
        network.tie_weights()
    if generator is not None:
        fill(network, device, dtype, generator)
    return _placed(network, device, dtype)


def fill(network: Any, device: str, dtype: torch.dtype, generator: torch.Generator) -> None:
    """Gives every parameter memory on `device` and numbers that keep activations near one.

    Matrices and kernels get normal numbers over the root of their fan-in, scales of norms one,
    biases zero.
    """
    import torch

    made: dict[int, torch.nn.Parameter] = {}
    for module in network.modules():
        for name, empty in list(module.named_parameters(recurse=False)):
            if id(empty) in made:
                setattr(module, name, made[id(empty)])
                continue
            tensor = torch.empty(empty.shape, dtype=dtype, device=device)
            if tensor.ndim > 1:
                fan_in = tensor.numel() // tensor.shape[0]
                tensor.normal_(0.0, fan_in**-0.5, generator=generator)
            else:
                tensor.fill_(1.0 if name == "weight" else 0.0)
            made[id(empty)] = torch.nn.Parameter(tensor, requires_grad=False)
            setattr(module, name, made[id(empty)])


def _placed(network: Any, device: str, dtype: torch.dtype) -> Any:
    import torch

    # The method of torch: diffusers' own warns of a cast that is wanted here.
    return torch.nn.Module.to(network, device=torch.device(device), dtype=dtype).eval()


def _network(component: Mapping[str, Any]) -> Any:
    found = _class(component)
    if component["class"].startswith("diffusers:"):
        return found.from_config(component["config"])
    return found(found.config_class(**component["config"]))


def _class(component: Mapping[str, Any]) -> Any:
    package, _, name = component["class"].partition(":")
    return getattr(import_module(package), name)


@lru_cache(maxsize=8)
def _read(name: str) -> dict[str, Any]:
    path = files("accel_opt.pipelines") / "configs" / f"{name}.json"
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read
