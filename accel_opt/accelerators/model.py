"""What a pipeline's shape allows, read from its modules."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from typing import Any

from accel_opt.accelerators.setup import cache_of, lora_of
from accel_opt.core.errors import RefusedError
from accel_opt.core.run import ModelInfo, Refusal, RunInfo

# Where a denoiser carries the handle of what is on.
HANDLE = "_accel_opt_handle"


def denoiser_of(pipe: Any) -> Any:
    """The pipeline's UNet, else its transformer, else None."""
    for name in ("unet", "transformer"):
        module = getattr(pipe, name, None)
        if module is not None:  # asking a compiled module for its truth raises
            return module
    return None


def is_compiled(module: Any) -> bool:
    """Whether a module, or any below it, runs code that hooks would not reach."""
    return type(module).__name__ == "OptimizedModule" or any(
        getattr(part, "_compiled_call_impl", None) is not None for part in module.modules()
    )


def hooks_refusal(pipe: Any) -> Refusal | None:
    """Why no accelerator's hooks can stand on a pipeline as it is set up; None when they can."""
    # The list that diffusers fills, and works off after every call.
    if getattr(pipe, "_all_hooks", None):
        return Refusal(
            "model offloading is on, which puts the denoiser's own forward back after every call: "
            "the second would run without accelerators; use pipe.to(device), or "
            "enable_group_offload"
        )
    denoiser = denoiser_of(pipe)
    cache = _foreign_cache(denoiser)
    if cache:
        # `disable_cache` takes off what `enable_cache` has put on, and nothing else.
        enabled = getattr(denoiser, "_cache_config", None) is not None
        off = f"call {type(denoiser).__name__}.disable_cache() first"
        return Refusal(
            f"a cache of diffusers is on already ({cache}), which would remember what an "
            f"accelerator has changed; {off if enabled else 'load the pipeline anew'}"
        )
    forward = getattr(type(denoiser), "forward", None)
    arguments = list(signature(forward).parameters.values())[1:2] if forward is not None else []
    if any("list" in str(argument.annotation).lower() for argument in arguments):  # Z-Image
        return Refusal(
            f"{type(denoiser).__name__} takes a list of latents, not one batch, which accelerators "
            "look at; take a model of another kind"
        )
    return None


def setup_of(pipe: Any) -> dict[str, Any]:
    """What somebody has done to a pipeline that numbers depend on; empty for a plain one.

    Returns:
        `offloading` ("model", "sequential" or "group"), `adapters`, `adapter_weights` and `fused`
        (LoRA: see `lora_of`), `cache` (what is on of diffusers' caches) and `compiled` (names of
        compiled components), each where there is such. No study holds `cache`: every accelerator
        is refused while it is on.
    """
    parts = {name: part for name, part in pipe.components.items() if hasattr(part, "modules")}
    found: dict[str, Any] = {}
    if getattr(pipe, "_all_hooks", None):
        found["offloading"] = "model"
    elif any(hasattr(module, "_hf_hook") for part in parts.values() for module in part.modules()):
        found["offloading"] = "sequential"
    elif any(_is_in_groups(part) for part in parts.values()):
        found["offloading"] = "group"
    found |= lora_of(pipe, parts.values())
    cache = _foreign_cache(denoiser_of(pipe))
    compiled = sorted(name for name, part in parts.items() if is_compiled(part))
    found |= {"cache": cache} if cache else {}
    return found | ({"compiled": compiled} if compiled else {})


def _foreign_cache(denoiser: Any) -> str | None:
    ours = denoiser is None or HANDLE in vars(denoiser)
    return None if ours else cache_of(denoiser)


def _is_in_groups(part: Any) -> bool:
    registries = (getattr(module, "_diffusers_hook", None) for module in part.modules())
    return any(r is not None and r.get_hook("group_offloading") is not None for r in registries)


def model_info(pipe: Any) -> ModelInfo:
    """The shape of a pipeline's denoiser.

    Raises:
        RefusedError: The pipeline has neither a UNet nor a transformer.
    """
    unet = getattr(pipe, "unet", None)
    if unet is not None:
        return ModelInfo(
            pipeline=type(pipe).__name__,
            denoiser="unet",
            # DeepCache numbers three layers a block: two resnets and the downsampler.
            branches=3 * len(getattr(unet, "down_blocks", ())),
            attention_levels=_attention_levels(unet),
            traits=_traits(unet),
        )
    if getattr(pipe, "transformer", None) is not None:
        return ModelInfo(
            pipeline=type(pipe).__name__,
            denoiser="transformer",
            branches=0,
            attention_levels=(1,),
            traits=_traits(pipe.transformer),
        )
    raise RefusedError(f"{type(pipe).__name__} has neither a UNet nor a transformer")


def run_info(pipe: Any, steps: int, guidance_scale: float = 7.5) -> RunInfo:
    """What is known of a run of `pipe` before it starts.

    Args:
        pipe: A diffusers pipeline.
        steps: The `num_inference_steps` of the call.
        guidance_scale: Its guidance scale.
    """
    scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config)
    # How far a flow-matching schedule is shifted says nothing of how many calls it makes.
    shifted = {"mu": 1.0} if scheduler.config.get("use_dynamic_shifting") else {}
    scheduler.set_timesteps(steps, **shifted)
    timesteps = scheduler.timesteps.tolist()
    return RunInfo(
        steps=len(timesteps),
        guidance_scale=guidance_scale,
        scheduler=type(pipe.scheduler).__name__,
        model=model_info(pipe),
        distinct_timesteps=len(set(timesteps)) == len(timesteps),
    )


def attentions(denoiser: Any) -> Iterator[tuple[str, Any, bool]]:
    """Attention modules of a denoiser's transformer blocks: path, module, whether it crosses."""
    for path, module in denoiser.named_modules():
        kinds = {kind.__name__ for kind in type(module).__mro__}
        if kinds & {"Attention", "AttentionModuleMixin"} and ("blocks" in path or "layers" in path):
            yield path, module, bool(getattr(module, "is_cross_attention", False))


def _traits(denoiser: Any) -> tuple[tuple[str, int], ...]:
    """How many attention modules look at the text alone, and how many at the image."""
    crosses = [crosses for _, _, crosses in attentions(denoiser)]
    n_cross = sum(crosses)
    return (("cross_attentions", n_cross), ("self_attentions", len(crosses) - n_cross))


def _attention_levels(unet: Any) -> tuple[int, ...]:
    """Downsampling factors of the blocks that hold transformer blocks, ascending."""
    down = list(getattr(unet, "down_blocks", ()))
    up = list(getattr(unet, "up_blocks", ()))
    placed = [(2**number, block) for number, block in enumerate(down)]
    placed += [(2**number, block) for number, block in enumerate(reversed(up))]
    placed.append((2 ** max(0, len(down) - 1), getattr(unet, "mid_block", None)))
    return tuple(
        sorted(
            {
                level
                for level, block in placed
                if block is not None
                and any(type(m).__name__ == "BasicTransformerBlock" for m in block.modules())
            }
        )
    )
