"""MagCache: steps whose residual is known to change little in size reuse the last one."""

from __future__ import annotations

import functools
import struct
from typing import Any, ClassVar

from typing_extensions import override

from accel_opt.accelerators.base import (
    KEEPS_STATE_IN_DIFFUSERS,
    SKIPS_BLOCKS,
    Accelerator,
    Preset,
)
from accel_opt.accelerators.diffusers_cache import CacheOnRun
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.accelerators.model import denoiser_of
from accel_opt.accelerators.work import Work
from accel_opt.core.config import Params
from accel_opt.core.dims import Dim, Float, Int, Number
from accel_opt.core.run import Refusal, RunInfo

# Share of the calls at the start that are all computed, as in MagCache's own FLUX settings.
_RETENTION = 0.1
# How the size of FLUX.1's residual changes from call to call; diffusers' `FLUX_MAG_RATIOS`, which
# the tests compare, as reading it takes torch.
_RATIOS = (
    1.0, 1.21094, 1.11719, 1.07812, 1.0625, 1.03906, 1.03125, 1.03906, 1.02344, 1.03125, 1.02344,
    0.98047, 1.01562, 1.00781, 1.0, 1.00781, 1.0, 1.00781, 1.0, 1.0, 0.99609, 0.99609, 0.98047,
    0.98828, 0.96484, 0.95703, 0.93359, 0.89062,
)  # fmt: skip


class MagCacheHooks:
    """Diffusers' `MagCacheConfig` with its ratios for Flux, forgetting between runs.

    The ratios are stretched to the length of each run, and not only to the first one's.

    Args:
        run: The pipeline's current run.
        magnitude_threshold: Error, added up over skipped calls, up to which a call is skipped.
        max_skipped: Calls in a row that may be skipped.
    """

    halves_apart = True

    def __init__(self, run: LiveRun, magnitude_threshold: float, max_skipped: int) -> None:
        from diffusers.hooks import MagCacheConfig, apply_mag_cache
        from diffusers.hooks.mag_cache import FLUX_MAG_RATIOS, nearest_interp

        config = MagCacheConfig(
            threshold=magnitude_threshold,
            max_skip_steps=max_skipped,
            retention_ratio=0.1,
            mag_ratios=FLUX_MAG_RATIOS,
        )

        def follow_the_run() -> None:
            config.num_inference_steps = run.steps
            config.mag_ratios = nearest_interp(FLUX_MAG_RATIOS, run.steps)

        run.on_reset(follow_the_run)
        apply_mag_cache(run.denoiser, config)
        CacheOnRun(run)


class MagCache(Accelerator):
    """Skips all of a transformer's blocks at calls that were measured to change little."""

    name = "mag_cache"
    requires = ("diffusers",)
    reference = "arXiv:2506.09045"
    params: ClassVar[dict[str, Dim]] = {
        "magnitude_threshold": Float(
            0.06, 0.3, 0.06, faster="up", meaning="error added up before a call is computed"
        ),
        "max_skipped": Int(1, 5, faster="up", meaning="calls in a row that may be skipped"),
    }
    presets = (
        Preset({"magnitude_threshold": 0.06, "max_skipped": 3}, "diffusers' default"),
        Preset({"magnitude_threshold": 0.24, "max_skipped": 5}, "MagCache's own for FLUX.1-dev"),
    )
    traits = frozenset({SKIPS_BLOCKS, KEEPS_STATE_IN_DIFFUSERS})
    hooks = MagCacheHooks
    hook_parts = (CacheOnRun,)

    @override
    def supports(self, pipe: Any) -> Refusal | None:
        name = type(denoiser_of(pipe)).__name__
        if name != "FluxTransformer2DModel":
            return Refusal(
                f"{name}: MagCache goes by the sizes of residuals that somebody has measured on "
                "the model, and they are published for Flux alone; use pab or taylorseer"
            )
        return None

    @override
    def canonical(self, params: Params, run: RunInfo) -> dict[str, Number] | Refusal:
        values = self.parse(params)
        threshold, longest = float(values["magnitude_threshold"]), int(values["max_skipped"])
        if threshold <= 0:
            return Refusal(f"magnitude_threshold={threshold} skips nothing; it must be above 0")
        if longest < 1:
            return Refusal(f"max_skipped={longest} skips nothing; it must be 1 or more")
        wanted = _skipped(threshold, longest, run.steps)
        if not wanted:
            return Refusal(
                f"magnitude_threshold={threshold} with max_skipped={longest} skips none of "
                f"{run.steps} calls; raise the threshold, or take more steps"
            )
        longest = next(
            n for n in range(1, longest + 1) if _skipped(threshold, n, run.steps) == wanted
        )
        usual = map(float, self.params["magnitude_threshold"].values())
        alike = (value for value in usual if _skipped(value, longest, run.steps) == wanted)
        return {"magnitude_threshold": next(alike, threshold), "max_skipped": longest}

    @override
    def work(self, params: Params, run: RunInfo, table: Work) -> Work:
        import numpy as np

        skipped = _skipped(
            float(params["magnitude_threshold"]), int(params["max_skipped"]), run.steps
        )
        twin = table.denoiser.twin
        lists = (twin.transformer_blocks, twin.single_transformer_blocks)
        inside = table.denoiser.below(block for blocks in lists for block in blocks)
        runs = np.ones(table.flops.shape)
        for call in skipped:
            runs[call, inside] = 0
        return table.scaled(runs)


@functools.lru_cache(maxsize=4096)
def _skipped(threshold: float, longest: int, steps: int) -> frozenset[int]:
    """Calls that are skipped, by diffusers' rule and in its precision."""
    scale = _single((len(_RATIOS) - 1) / max(1, steps - 1))
    places = [round(_single(call * scale)) for call in range(steps)] if steps > 1 else [-1]
    limit = _single(threshold)
    found: set[int] = set()
    ratio, error, row = 1.0, 0.0, 0
    for call in range(int(_RETENTION * steps + 0.5), steps):
        ratio, row = _single(ratio * _single(_RATIOS[places[call]])), row + 1
        error = _single(error + abs(_single(1 - ratio)))
        # The first call has no residual before it.
        if call and error <= limit and row <= longest:
            found.add(call)
        else:
            ratio, error, row = 1.0, 0.0, 0
    return frozenset(found)


def _single(value: float) -> float:
    """A number in single precision, as tensors hold it."""
    return float(struct.unpack("f", struct.pack("f", value))[0])
