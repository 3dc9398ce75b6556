"""TaylorSeer: between computed steps, attention's output is extrapolated from the last ones."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from typing_extensions import override

from accel_opt.accelerators.base import (
    CACHES_ATTENTION,
    KEEPS_STATE_IN_DIFFUSERS,
    Accelerator,
    Preset,
)
from accel_opt.accelerators.diffusers_cache import CacheOnRun
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.accelerators.model import attentions, denoiser_of
from accel_opt.accelerators.work import CROSS, SELF, Work
from accel_opt.core.config import Params
from accel_opt.core.dims import Dim, Int, Number
from accel_opt.core.run import Refusal, RunInfo


class TaylorSeerHooks:
    """Diffusers' `TaylorSeerCacheConfig` on every attention by name, forgetting between runs.

    Args:
        run: The pipeline's current run.
        taylor_interval: Calls from one computed attention to the next.
        taylor_warmup: Calls at the start that are all computed.
        taylor_order: Highest derivative of the extrapolation.
    """

    halves_apart = True

    def __init__(
        self, run: LiveRun, taylor_interval: int, taylor_warmup: int, taylor_order: int
    ) -> None:
        import re

        from diffusers.hooks import TaylorSeerCacheConfig, apply_taylorseer_cache

        paths = []
        for path, module in run.denoiser.named_modules():
            kinds = {kind.__name__ for kind in type(module).__mro__}
            attends = kinds & {"Attention", "AttentionModuleMixin"}
            if attends and ("blocks" in path or "layers" in path):
                paths.append(re.escape(path))
        config = TaylorSeerCacheConfig(
            cache_interval=taylor_interval,
            disable_cache_before_step=taylor_warmup,
            max_order=taylor_order,
            taylor_factors_dtype=run.denoiser.dtype,
            cache_identifiers=paths,  # the default patterns know neither UNets nor PixArt
        )
        apply_taylorseer_cache(run.denoiser, config)
        CacheOnRun(run)


class TaylorSeer(Accelerator):
    """Extrapolates attention outputs across steps instead of computing them."""

    name = "taylorseer"
    requires = ("diffusers",)
    reference = "arXiv:2503.06923"
    params: ClassVar[dict[str, Dim]] = {
        "taylor_interval": Int(2, 6, faster="up", meaning="calls from one computed to the next"),
        "taylor_warmup": Int(2, 5, faster="down", meaning="calls at the start that are computed"),
        "taylor_order": Int(0, 2, faster="down", meaning="highest derivative extrapolated with"),
    }
    presets = (
        Preset({"taylor_interval": 5, "taylor_warmup": 3, "taylor_order": 1}, "diffusers' default"),
        Preset(
            {"taylor_interval": 3, "taylor_warmup": 3, "taylor_order": 2},
            "paper, FLUX.1-dev, 50 steps: N = 3, O = 2",
        ),
    )
    traits = frozenset({CACHES_ATTENTION, KEEPS_STATE_IN_DIFFUSERS})
    hooks = TaylorSeerHooks
    hook_parts = (CacheOnRun,)

    @override
    def supports(self, pipe: Any) -> Refusal | None:
        denoiser = denoiser_of(pipe)
        if denoiser is None or next(attentions(denoiser), None) is None:
            return Refusal(
                f"{type(denoiser).__name__} has no diffusers attention in its blocks, whose "
                "output could be extrapolated"
            )
        return None

    @override
    def canonical(self, params: Params, run: RunInfo) -> dict[str, Number] | Refusal:
        values = {name: int(value) for name, value in self.parse(params).items()}
        interval, warmup = values["taylor_interval"], values["taylor_warmup"]
        for name, least in (("taylor_interval", 2), ("taylor_warmup", 1), ("taylor_order", 0)):
            if values[name] < least:
                return Refusal(f"{name}={values[name]} is too small; it must be {least} or more")
        predicted = _predicted(interval, warmup, run.steps)
        if not predicted:
            return Refusal(
                f"taylor_warmup={warmup} computes all {run.steps} calls; it must be below "
                f"{run.steps}"
            )
        interval, warmup = _first_like(interval, warmup, run.steps)
        # A derivative takes one computed call more than its order.
        computed = max(predicted) - sum(call < max(predicted) for call in predicted)
        order = min(values["taylor_order"], computed - 1)
        return {"taylor_interval": interval, "taylor_warmup": warmup, "taylor_order": order}

    @override
    def ranges(self, run: RunInfo) -> dict[str, Dim]:
        warmup = self.params["taylor_warmup"]
        high = max(1, min(int(warmup.high), run.steps - 1))
        return {**self.params, "taylor_warmup": warmup.narrowed(min(int(warmup.low), high), high)}

    @override
    def work(self, params: Params, run: RunInfo, table: Work) -> Work:
        import numpy as np

        interval, warmup = int(params["taylor_interval"]), int(params["taylor_warmup"])
        predicted = _predicted(interval, warmup, run.steps)
        runs = np.ones(table.flops.shape)
        for unit in [*table.numbers(SELF), *table.numbers(CROSS)]:
            seen = 0  # calls of this very module: a skipped block's attention is not asked
            for call in range(run.steps):
                seen = 0 if call in table.barriers else seen
                if table.flops[call, unit]:
                    runs[call, unit] = 0 if seen in predicted else 1
                    seen += 1
        return table.scaled(runs)


@functools.lru_cache(maxsize=4096)
def _predicted(interval: int, warmup: int, steps: int) -> frozenset[int]:
    """Calls at which attention is extrapolated."""
    return frozenset(i for i in range(warmup, steps) if (i - warmup - 1) % interval)


@functools.lru_cache(maxsize=4096)
def _first_like(interval: int, warmup: int, steps: int) -> tuple[int, int]:
    """The smallest interval, then warm-up, with the same schedule."""
    wanted = _predicted(interval, warmup, steps)
    return next(
        (n, first)
        for n in range(2, interval + 1)
        for first in range(1, steps)
        if _predicted(n, first, steps) == wanted
    )
