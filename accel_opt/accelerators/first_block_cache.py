"""First block cache: where the first block's residual barely changes, the others are skipped."""

from __future__ import annotations

from typing import Any, ClassVar

from typing_extensions import override

from accel_opt.accelerators.base import (
    KEEPS_STATE_IN_DIFFUSERS,
    SKIPS_BLOCKS,
    Accelerator,
    Preset,
)
from accel_opt.accelerators.diffusers_cache import CacheOnRun, block_lists_refusal
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.accelerators.model import denoiser_of
from accel_opt.core.config import Params
from accel_opt.core.dims import Dim, Float, Number
from accel_opt.core.run import Refusal, RunInfo


class FirstBlockCacheHooks:
    """Diffusers' `FirstBlockCacheConfig`, forgetting between runs.

    Args:
        run: The pipeline's current run.
        residual_threshold: Relative change of the first block's residual below which the
            residual of all others is reused.
    """

    halves_apart = True

    def __init__(self, run: LiveRun, residual_threshold: float) -> None:
        from diffusers.hooks import FirstBlockCacheConfig, apply_first_block_cache

        apply_first_block_cache(run.denoiser, FirstBlockCacheConfig(residual_threshold))
        CacheOnRun(run)


class FirstBlockCache(Accelerator):
    """Skips a transformer's later blocks when its first one sees little change.

    What is skipped depends on the image: the work that is counted is that of a run in which
    nothing is skipped, the most it can take.
    """

    name = "first_block_cache"
    requires = ("diffusers",)
    reference = "https://github.com/chengzeyi/ParaAttention#first-block-cache-our-dynamic-caching"
    params: ClassVar[dict[str, Dim]] = {
        "residual_threshold": Float(
            0.02, 0.3, 0.02, faster="up", meaning="change of the first block that is overlooked"
        ),
    }
    presets = (
        Preset({"residual_threshold": 0.05}, "diffusers' default"),
        Preset({"residual_threshold": 0.08}, "ParaAttention: FLUX.1-dev, 28 steps, 2x"),
        Preset({"residual_threshold": 0.2}, "diffusers' documentation: CogView4"),
    )
    traits = frozenset({SKIPS_BLOCKS, KEEPS_STATE_IN_DIFFUSERS})
    hooks = FirstBlockCacheHooks
    hook_parts = (CacheOnRun,)

    @override
    def supports(self, pipe: Any) -> Refusal | None:
        blocks = getattr(denoiser_of(pipe), "transformer_blocks", None)
        if blocks and getattr(blocks[-1], "context_pre_only", False):
            return Refusal(
                f"the last block of {type(denoiser_of(pipe)).__name__} gives back no text tokens, "
                "whose change FirstBlockCache keeps; use pab or taylorseer"
            )
        return block_lists_refusal(pipe, "FirstBlockCache")

    @override
    def canonical(self, params: Params, run: RunInfo) -> dict[str, Number] | Refusal:
        threshold = float(self.parse(params)["residual_threshold"])
        if threshold <= 0:
            return Refusal(f"residual_threshold={threshold} overlooks nothing; it must be above 0")
        if run.steps < 2:
            return Refusal(f"{run.steps} denoiser call leaves nothing to skip; use 2 steps or more")
        return {"residual_threshold": threshold}
