"""FasterCache: the unconditional half, and attention with it, is guessed on most late steps."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from typing_extensions import override

from accel_opt.accelerators.base import (
    CACHES_ATTENTION,
    DROPS_GUIDANCE,
    KEEPS_STATE_IN_DIFFUSERS,
    Accelerator,
    Preset,
)
from accel_opt.accelerators.diffusers_cache import CacheOnRun
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.accelerators.model import denoiser_of
from accel_opt.accelerators.work import SELF, Work
from accel_opt.core.config import Params
from accel_opt.core.dims import Dim, Float, Int, Number
from accel_opt.core.run import Refusal, RunInfo


class FasterCacheHooks:
    """Diffusers' `FasterCacheConfig` with shares of a run for timesteps, forgetting between runs.

    Without guidance there is no half to guess, and everything runs.

    Args:
        run: The pipeline's current run.
        uncond_interval: The unconditional half runs at multiples of this many calls.
        attention_interval: Where it does not run, self-attention runs at multiples of this many.
        guess_start: Share of the calls before anything is guessed.
    """

    def __init__(
        self, run: LiveRun, uncond_interval: int, attention_interval: int, guess_start: float
    ) -> None:
        from diffusers.hooks import FasterCacheConfig, apply_faster_cache

        self.run = run
        self.distilled = type(run.denoiser).__name__ == "FluxTransformer2DModel"
        self.cut_conditions(run.denoiser)
        late = (-1, 1000 * (1 - guess_start) + 0.001)
        config = FasterCacheConfig(
            spatial_attention_block_skip_range=attention_interval,
            spatial_attention_timestep_skip_range=late,
            unconditional_batch_skip_range=uncond_interval,
            unconditional_batch_timestep_skip_range=late,
            attention_weight_callback=self.weight,
            tensor_format="BCHW",
            current_timestep_callback=self.timestep,
        )
        apply_faster_cache(run.denoiser, config)
        CacheOnRun(run)
        found = (getattr(module, "_diffusers_hook", None) for module in run.denoiser.modules())
        registries = [registry for registry in found if registry is not None]
        names = ("faster_cache_denoiser", "faster_cache_block")
        self.tell_guidance([hook for r in registries for n in names if (hook := r.get_hook(n))])

    def timestep(self) -> float:
        """The current call on a scale of 1000 timesteps; before them all without guidance."""
        if not (self.run.guided or self.distilled):
            return 1001.0
        return 1000.0 * (1 - self.run.index / self.run.steps)

    def weight(self, module: Any) -> float:
        """How far attention is extrapolated: from 0 at the start to 1 at the end, as published."""
        del module
        return self.run.index / self.run.steps

    def cut_conditions(self, denoiser: Any) -> None:
        """Halves the conditions in a dict too (PixArt's sizes), which diffusers passes whole."""
        original = denoiser.forward

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            size = (args[0] if args else kwargs["hidden_states"]).shape[0]
            added = kwargs.get("added_cond_kwargs")
            if added:
                cut = {n: value if value is None else value[-size:] for n, value in added.items()}
                kwargs["added_cond_kwargs"] = cut
            return original(*args, **kwargs)

        denoiser.forward = forward

    def tell_guidance(self, hooks: list[Any]) -> None:
        """Lets diffusers' hooks know at each call whether there are two halves to tell apart."""
        original = self.run.denoiser.forward

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            for hook in hooks:
                hook.is_guidance_distilled = not self.run.guided
            return original(*args, **kwargs)

        self.run.denoiser.forward = forward


class FasterCache(Accelerator):
    """Guesses the unconditional half from the conditional one, and attention from the last two."""

    name = "faster_cache"
    requires = ("diffusers",)
    reference = "arXiv:2410.19355"
    params: ClassVar[dict[str, Dim]] = {
        "uncond_interval": Int(2, 6, faster="up", meaning="calls from one whole batch to the next"),
        "attention_interval": Int(
            2, 4, faster="up", meaning="calls from one self-attention to the next"
        ),
        "guess_start": Float(
            0.2, 0.6, 0.1, faster="down", meaning="share of the run before anything is guessed"
        ),
    }
    presets = (
        Preset(
            {"uncond_interval": 5, "attention_interval": 2, "guess_start": 0.3},
            "diffusers' default, whose timesteps 641 and 681 are both taken as 0.3 of a run",
        ),
    )
    traits = frozenset({CACHES_ATTENTION, DROPS_GUIDANCE, KEEPS_STATE_IN_DIFFUSERS})
    hooks = FasterCacheHooks
    hook_parts = (CacheOnRun,)

    @override
    def supports(self, pipe: Any) -> Refusal | None:
        name = type(denoiser_of(pipe)).__name__
        if name not in ("PixArtTransformer2DModel", "FluxTransformer2DModel"):
            return Refusal(
                f"{name}: diffusers' FasterCache was seen to work on PixArt and Flux alone; "
                "use cfg_cutoff and pab"
            )
        return None

    @override
    def canonical(self, params: Params, run: RunInfo) -> dict[str, Number] | Refusal:
        values = self.parse(params)
        uncond, attention = int(values["uncond_interval"]), int(values["attention_interval"])
        start = float(values["guess_start"])
        if not 0 < start < 1:
            return Refusal(f"guess_start={start} is no share; it must be above 0 and below 1")
        for name, interval in (("uncond_interval", uncond), ("attention_interval", attention)):
            if interval < 1:
                return Refusal(f"{name}={interval} is no interval; it must be 1 or more")
        if not _is_distilled(run) and not run.guided:
            return Refusal(
                f"guidance_scale={run.guidance_scale} runs no unconditional half to guess; "
                "it must be above 1"
            )
        wanted = _guessed(uncond, attention, start, run)
        if not any(wanted):
            return Refusal(
                f"uncond_interval={uncond}, attention_interval={attention} and "
                f"guess_start={start} guess nothing in {run.steps} calls; take intervals of 2 "
                "or more, or more steps"
            )
        uncond = next(
            n for n in range(1, uncond + 1) if _guessed(n, attention, start, run) == wanted
        )
        attention = next(
            n for n in range(1, attention + 1) if _guessed(uncond, n, start, run) == wanted
        )
        usual = map(float, self.params["guess_start"].values())
        alike = (v for v in usual if _guessed(uncond, attention, v, run) == wanted)
        return {
            "uncond_interval": uncond,
            "attention_interval": attention,
            "guess_start": next(alike, start),
        }

    @override
    def ranges(self, run: RunInfo) -> dict[str, Dim]:
        found = dict(self.params)
        if _is_distilled(run):
            found["uncond_interval"] = found["uncond_interval"].narrowed(1, 1)
        return found

    @override
    def work(self, params: Params, run: RunInfo, table: Work) -> Work:
        import numpy as np

        halves, attention = _guessed(
            int(params["uncond_interval"]),
            int(params["attention_interval"]),
            float(params["guess_start"]),
            run,
        )
        runs = np.ones(table.flops.shape)
        runs[sorted(halves)] = 0.5
        runs[np.ix_(sorted(attention), table.numbers(SELF))] = 0
        return table.scaled(runs)


def _is_distilled(run: RunInfo) -> bool:
    """Whether guidance is an input of the model, which has no unconditional half then."""
    return run.model.pipeline.startswith("Flux")


def _guessed(
    uncond: int, attention: int, start: float, run: RunInfo
) -> tuple[frozenset[int], frozenset[int]]:
    """Calls whose unconditional half is guessed, and those whose self-attention is."""
    late = range(-int(-round(start * run.steps, 9) // 1), run.steps)
    halves = frozenset(i for i in late if i % uncond)
    if _is_distilled(run):
        return frozenset(), frozenset(i for i in late if i % attention)
    return halves, frozenset(i for i in halves if i % attention)
