"""What the caches of diffusers lack to serve in any pipeline, and which models they fit."""

from __future__ import annotations

import functools
from typing import Any

from accel_opt.accelerators.live_run import LiveRun
from accel_opt.accelerators.model import denoiser_of
from accel_opt.core.run import Refusal

# Lists of transformer blocks that diffusers' block caches look for.
_LISTS = ("blocks", "transformer_blocks", "single_transformer_blocks", "layers")


class CacheOnRun:
    """Ties caches of diffusers, which stand on the denoiser already, to a pipeline's run.

    They forget where a run begins, at the run's barriers and where the batch changes its size;
    diffusers lets only those pipelines forget whose denoiser has `enable_cache`, and only after
    a call that ended well. The context that they look their state up by is entered here, as some
    pipelines (PixArt) never do; halves of guidance that are called in turn have one each.

    Args:
        run: The pipeline's current run.
    """

    def __init__(self, run: LiveRun) -> None:
        from diffusers.hooks import HookRegistry
        from diffusers.models.cache_utils import CacheMixin

        registry = HookRegistry.check_if_exists_or_initialize(run.denoiser)
        registry.invalidate_child_registries_cache()  # a pipeline that has run knows the old ones
        run.on_reset(registry.reset_stateful_hooks)
        original = run.denoiser.forward
        batch = 0

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            nonlocal batch
            size = run.sample(args, kwargs).shape[0]
            if not run.half and (run.index in run.barriers or (run.index > 0 and size != batch)):
                registry.reset_stateful_hooks()
            batch = size
            with CacheMixin.cache_context(run.denoiser, f"half {run.half}"):
                return original(*args, **kwargs)

        run.denoiser.forward = forward


def block_lists_refusal(pipe: Any, name: str) -> Refusal | None:
    """Why a cache that skips a transformer's later blocks does not fit, or None when it does.

    Args:
        pipe: A diffusers pipeline.
        name: What diffusers calls the cache.
    """
    denoiser = denoiser_of(pipe)
    blocks = _blocks(denoiser) if denoiser is not None else []
    if len(blocks) < 2:
        return Refusal(
            f"{type(denoiser).__name__} has no list of transformer blocks, which {name} skips; "
            "use deepcache, pab or taylorseer"
        )
    unknown = sorted({type(block).__name__ for block in blocks if not _is_known(block)})
    if unknown:
        return Refusal(f"diffusers' {name} does not know how to skip {', '.join(unknown)}")
    return None


def _blocks(denoiser: Any) -> list[Any]:
    lists = [child for name, child in denoiser.named_children() if name in _LISTS]
    return [block for blocks in lists for block in blocks]


def _is_known(block: Any) -> bool:
    from diffusers.hooks._helpers import TransformerBlockRegistry

    try:
        TransformerBlockRegistry.get(type(block))
    except ValueError:
        return False
    return True
