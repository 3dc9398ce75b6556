"""What others have put on a pipeline's modules: LoRA adapters, and caches of diffusers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

# How the names of the hooks begin that diffusers' caches are made of.
_CACHES = (
    "pyramid_attention_broadcast", "faster_cache", "fbc_", "mag_cache", "taylorseer_cache",
    "sea_cache", "text_kv_cache",
)  # fmt: skip


def lora_of(pipe: Any, parts: Iterable[Any]) -> dict[str, Any]:
    """The LoRA adapters of a pipeline; empty where it has none.

    Returns:
        `adapters` (names of those that are on), `adapter_weights` (a number by name, or the
        numbers where they differ from layer to layer; only of those that are not 1) and `fused`
        (names of those that were added to the weights), each where there is such. What a fused
        adapter was scaled by is known as long as it is not unloaded.
    """
    layers = [module for part in parts for module in part.modules() if hasattr(module, "lora_A")]
    weights: dict[str, set[float]] = {}
    fused = {str(name) for name in getattr(pipe, "fused_loras", ())}
    for layer in layers:
        merged = list(getattr(layer, "merged_adapters", ()))
        fused |= {str(name) for name in merged}
        on = () if getattr(layer, "disable_adapters", False) else layer.active_adapters
        for name in {*on, *merged} & set(layer.scaling):
            weights.setdefault(str(name), set()).add(_weight(layer, name))
    unlike = {name: sorted(found) for name, found in sorted(weights.items()) if found != {1.0}}
    found = {
        "adapters": sorted(weights),
        "adapter_weights": {
            n: found[0] if len(found) == 1 else found for n, found in unlike.items()
        },
        "fused": sorted(fused),
    }
    return {key: value for key, value in found.items() if value}


def _weight(layer: Any, name: str) -> float:
    """What `set_adapters` or `fuse_lora` was told: the layer's scale over the adapter's own."""
    rank, alpha = layer.r[name], layer.lora_alpha[name]
    root = getattr(layer, "use_rslora", {}).get(name, False)
    own = alpha / (math.sqrt(rank) if root else rank)
    return round(float(layer.scaling[name] / own), 6) if own else 0.0


def cache_of(denoiser: Any) -> str | None:
    """What somebody else has switched on of diffusers' caches, or None.

    Found by `enable_cache`, and by the hooks that `apply_pyramid_attention_broadcast` and the
    like put on without it.
    """
    config = getattr(denoiser, "_cache_config", None)
    if config is not None:
        return type(config).__name__
    registries = (getattr(module, "_diffusers_hook", None) for module in denoiser.modules())
    names = (name for registry in registries if registry is not None for name in registry.hooks)
    return next((str(name) for name in names if str(name).startswith(_CACHES)), None)
