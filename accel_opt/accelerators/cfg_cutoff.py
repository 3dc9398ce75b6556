"""Guidance cut-off: the last calls run without the unconditional half."""

from __future__ import annotations

import functools
from inspect import signature
from typing import Any, ClassVar

from typing_extensions import override

from accel_opt.accelerators.base import DROPS_GUIDANCE, Accelerator, Preset
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.accelerators.model import denoiser_of
from accel_opt.accelerators.work import Work
from accel_opt.core.config import Params
from accel_opt.core.dims import Dim, Int, Number
from accel_opt.core.run import Refusal, RunInfo


class GuidanceCutoffHooks:
    """From call `cutoff_step` on, only the conditional half of a guided batch runs.

    Same output as diffusers' `SDCFGCutoffCallback(cutoff_step_index=cutoff_step - 1)`, for any
    number of prompts and for pipelines without step callbacks too. Where the halves are called
    one after the other, the second gets the first one's answer: guidance between equals is none.
    The first must be the conditional one. It is in all of diffusers' pipelines with a transformer;
    with a UNet it may be the other one (LEdits++), so that those are stopped there.

    Args:
        run: The pipeline's current run.
        cutoff_step: First call without guidance.
    """

    def __init__(self, run: LiveRun, cutoff_step: int) -> None:
        self.halves_apart = getattr(run.pipe, "unet", None) is None
        original = run.denoiser.forward
        # Not dropped by a reset, which may come between the halves of the last call.
        answer: Any = None

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            nonlocal answer
            if run.index < cutoff_step:
                return original(*args, **kwargs)
            if run.guided:
                return run.one_half(original, args, kwargs, conditional=True)
            if run.half:
                given, answer = answer, None
                return given
            answer = original(*args, **kwargs)
            return answer

        run.denoiser.forward = forward


class GuidanceCutoff(Accelerator):
    """Drops classifier-free guidance in mid-run; most of what T-GATE gains."""

    name = "cfg_cutoff"
    reference = "arXiv:2312.12487"
    params: ClassVar[dict[str, Dim]] = {
        "cutoff_step": Int(5, 19, faster="down", meaning="first call without guidance"),
    }
    presets = (
        Preset({"cutoff_step": 10}, "diffusers' documentation: 0.4 of 25 steps"),
        Preset({"cutoff_step": 15}, "T-GATE's milder gate, without its caches"),
    )
    traits = frozenset({DROPS_GUIDANCE})
    hooks = GuidanceCutoffHooks

    @override
    def supports(self, pipe: Any) -> Refusal | None:
        # Where guidance is an input of the denoiser (LCM, Flux, also without it: schnell), its
        # batch is never doubled.
        denoiser = denoiser_of(pipe)
        config = getattr(denoiser, "config", {})
        single = config.get("guidance_embeds") or config.get("time_cond_proj_dim")
        apart = getattr(pipe, "unconditional_transformer", None) is not None  # Ideogram
        if denoiser is None or single or apart or type(denoiser).__name__.startswith("Flux"):
            return Refusal(
                f"{type(pipe).__name__} runs no unconditional half that could be left out"
            )
        if "true_cfg_scale" in signature(type(pipe).__call__).parameters:  # QwenImage
            return Refusal(
                f"{type(pipe).__name__} guides by true_cfg_scale and a negative prompt, not by "
                "guidance_scale, so that nothing might be left out; use pab or taylorseer"
            )
        return None

    @override
    def canonical(self, params: Params, run: RunInfo) -> dict[str, Number] | Refusal:
        step = int(self.parse(params)["cutoff_step"])
        if not run.guided:
            return Refusal(
                f"guidance_scale={run.guidance_scale} runs no unconditional half to leave out; "
                "it must be above 1"
            )
        if not 1 <= step < run.steps:
            return Refusal(
                f"cutoff_step={step} has no call of {run.steps} after it, or none before; "
                f"it must be 1 to {run.steps - 1}"
            )
        return {"cutoff_step": step}

    @override
    def ranges(self, run: RunInfo) -> dict[str, Dim]:
        step = self.params["cutoff_step"]
        high = max(1, min(int(step.high), run.steps - 1))
        return {"cutoff_step": step.narrowed(min(int(step.low), high), high)}

    @override
    def barriers(self, params: Params, run: RunInfo) -> frozenset[int]:
        del run
        return frozenset({int(params["cutoff_step"])})

    @override
    def work(self, params: Params, run: RunInfo, table: Work) -> Work:
        import numpy as np

        halves = np.ones((run.steps, 1))
        if run.guided:
            halves[int(params["cutoff_step"]) :] = 0.5
        return table.scaled(halves)
