"""T-GATE: from a gate step on, cross-attention is remembered and guidance dropped."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from accel_opt.accelerators.base import (
    CACHES_ATTENTION,
    DROPS_GUIDANCE,
    Accelerator,
    CodeLines,
    Preset,
)
from accel_opt.accelerators.detect import Call
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.accelerators.model import denoiser_of
from accel_opt.accelerators.work import CROSS, SELF, Work
from accel_opt.core.config import Params
from accel_opt.core.dims import Dim, Int, Number
from accel_opt.core.run import Refusal, RunInfo

if TYPE_CHECKING:
    import torch


class TGateHooks:
    """Remembers attention outputs, and runs one half of a guided batch from the gate on.

    Before `gate_step - 1` self-attention runs up to call `warmup` and then at every multiple of
    `sp_interval`. At `gate_step - 1` everything runs, and the mean of the two guidance halves is
    kept. From `gate_step` on only the unconditional half runs: cross-attention is remembered,
    self-attention runs at every multiple of `fi_interval`.

    Same output as tgate 1.0.0 (https://github.com/HaozheLiu-ST/T-GATE), arXiv:2404.02747.

    Args:
        run: The pipeline's current run.
        gate_step: First call without guidance.
        sp_interval: Self-attention interval before the gate.
        fi_interval: Self-attention interval from the gate on.
        warmup: Last call before which self-attention always runs.
    """

    def __init__(
        self, run: LiveRun, gate_step: int, sp_interval: int, fi_interval: int, warmup: int
    ) -> None:
        self.run = run
        self.gate, self.warmup = gate_step, warmup
        self.sp_interval, self.fi_interval = sp_interval, fi_interval
        self.kept: dict[int, torch.Tensor] = {}
        run.on_reset(self.kept.clear)
        for number, module in enumerate(list(run.denoiser.modules())):
            if type(module).__name__ == "Attention" and not module.residual_connection:
                self.hook_attention(module, number)
        self.hook_denoiser(run.denoiser)

    def attends_anew(self, index: int) -> bool:
        """Whether self-attention runs at call `index`."""
        if index >= self.gate:
            return index % self.fi_interval == 0
        return index == self.gate - 1 or index <= self.warmup or index % self.sp_interval == 0

    def hook_attention(self, attention: Any, number: int) -> None:
        """Makes one attention module answer from memory where the schedule says so."""
        original = attention.forward

        @functools.wraps(original)
        def forward(
            hidden_states: torch.Tensor,
            encoder_hidden_states: torch.Tensor | None = None,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            index, crosses = self.run.index, encoder_hidden_states is not None
            anew = index < self.gate if crosses else self.attends_anew(index)
            kept = self.kept.get(number)
            if not anew and kept is not None and kept.shape[:2] == hidden_states.shape[:2]:
                return kept
            output = original(hidden_states, encoder_hidden_states, *args, **kwargs)
            if index == self.gate - 1 and self.run.guided:
                unconditional, conditional = output.chunk(2)
                self.kept[number] = (unconditional + conditional) / 2
            elif index == self.gate - 1 or (anew and not crosses and index >= self.warmup):
                self.kept[number] = output
            return output

        attention.forward = forward

    def hook_denoiser(self, denoiser: Any) -> None:
        """Runs the unconditional half alone from the gate on."""
        original = denoiser.forward

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            if self.run.guided and self.run.index >= self.gate:
                return self.run.one_half(original, args, kwargs, conditional=False)
            return original(*args, **kwargs)

        denoiser.forward = forward


_LOADERS = {
    "StableDiffusionPipeline": "TgateSDLoader",
    "StableDiffusionXLPipeline": "TgateSDXLLoader",
    "PixArtAlphaPipeline": "TgatePixArtAlphaLoader",
    "PixArtSigmaPipeline": "TgatePixArtSigmaLoader",
}


class TGate(Accelerator):
    """Gates cross-attention and guidance in time."""

    name = "tgate"
    requires = ("tgate",)
    reference = "arXiv:2404.02747"
    params: ClassVar[dict[str, Dim]] = {
        "gate_step": Int(5, 19, faster="down", meaning="first call without guidance"),
        "sp_interval": Int(2, 9, faster="up", meaning="self-attention interval before the gate"),
        "fi_interval": Int(1, 5, faster="up", meaning="self-attention interval after the gate"),
        "warmup": Int(1, 3, faster="down", meaning="calls before attention is first kept"),
    }
    presets = tuple(
        Preset(
            {"gate_step": gate, "sp_interval": sp, "fi_interval": 1, "warmup": warmup},
            f"paper, 25 steps: {said}",
        )
        for gate, sp, warmup, said in (
            (10, 5, 2, "SDXL 1.68x, FID 23.84; PixArt-alpha 1.87x"),
            (10, 3, 2, "SDXL 1.65x, FID 22.76; PixArt-alpha 1.79x"),
            (15, 5, 2, "PixArt-alpha 1.83x, FID 11.30 (MJHQ)"),
            (15, 3, 2, "PixArt-alpha 1.68x, FID 10.29 (MJHQ)"),
            (5, 3, 1, "SDXL 1.94x, FID 22.31"),
        )
    )
    traits = frozenset({CACHES_ATTENTION, DROPS_GUIDANCE})
    hooks = TGateHooks

    @override
    def supports(self, pipe: Any) -> Refusal | None:
        denoiser = denoiser_of(pipe)
        modules = list(denoiser.modules()) if denoiser is not None else []
        blocks = [m for m in modules if type(m).__name__ == "BasicTransformerBlock"]
        if not any(getattr(block, "attn2", None) is not None for block in blocks):
            return Refusal(
                f"{type(denoiser).__name__} has no cross-attention in BasicTransformerBlocks, "
                "which T-GATE remembers"
            )
        return None

    @override
    def canonical(self, params: Params, run: RunInfo) -> dict[str, Number] | Refusal:
        values = {name: int(value) for name, value in self.parse(params).items()}
        gate, warmup = values["gate_step"], values["warmup"]
        if not 1 <= gate < run.steps:
            return Refusal(
                f"gate_step={gate} has no call of {run.steps} after it, or none before; "
                f"it must be 1 to {run.steps - 1}"
            )
        for name in ("sp_interval", "fi_interval"):
            if values[name] < 1:
                return Refusal(f"{name}={values[name]} is no interval; it must be 1 or more")
        if warmup < 0:
            return Refusal(f"warmup={warmup} is no number of calls; it must be 0 or more")
        sp, warmup = _first_like(gate, values["sp_interval"], warmup)
        fi = _smallest_interval(gate, run.steps, values["fi_interval"])
        return {"gate_step": gate, "sp_interval": sp, "fi_interval": fi, "warmup": warmup}

    @override
    def ranges(self, run: RunInfo) -> dict[str, Dim]:
        gate = self.params["gate_step"]
        high = max(1, min(int(gate.high), run.steps - 1))
        return {**self.params, "gate_step": gate.narrowed(min(int(gate.low), high), high)}

    @override
    def barriers(self, params: Params, run: RunInfo) -> frozenset[int]:
        del run
        gate = int(params["gate_step"])
        return frozenset({gate - 1, gate})

    @override
    def work(self, params: Params, run: RunInfo, table: Work) -> Work:
        import numpy as np

        values = {name: int(value) for name, value in params.items()}
        gate, warmup = values["gate_step"], values["warmup"]
        runs = np.ones(table.flops.shape)
        crossing, attending = np.zeros((2, len(table.denoiser.units)), dtype=bool)
        crossing[table.numbers(CROSS)] = attending[table.numbers(SELF)] = True
        kept = np.zeros(len(table.denoiser.units), dtype=bool)
        for call in range(run.steps):
            interval = values["fi_interval" if call >= gate else "sp_interval"]
            anew = call == gate - 1 or call % interval == 0 or (call < gate and call <= warmup)
            reusing = (crossing if call >= gate else False) | (attending & (not anew))
            runs[call, kept & reusing] = 0
            if call >= gate and run.guided:
                runs[call] /= 2
            if (anew and call >= warmup) or call == gate - 1:
                # Units below a skipped block have not run, and have nothing to keep.
                keeping = attending | (crossing if call == gate - 1 else False)
                kept |= keeping & (table.flops[call] > 0)
        return table.scaled(runs)

    @override
    def detect(self, pipe: Any, call: Call) -> dict[str, Number] | Refusal | None:
        if not call.module.startswith("tgate."):
            return super().detect(pipe, call)
        if "DeepCache" in call.module:
            return Refusal("tgate's loader with DeepCache makes other images from call to call")
        names = {name: "warm_up" if name == "warmup" else name for name in self.params}
        return {name: call.arguments[theirs] for name, theirs in names.items()}

    @override
    def code(self, params: Params, run: RunInfo) -> CodeLines | None:
        loader = _LOADERS.get(run.model.pipeline)
        # The package fails or averages different images without guidance, and where the
        # scheduler calls the denoiser twice a step.
        if loader is None or not run.guided or not run.distinct_timesteps:
            return None
        values = self.parse(params)
        return CodeLines(
            imports=(f"from tgate import {loader}",),
            setup=(f"pipe = {loader}(pipe)",),
            call="pipe.tgate",
            call_arguments={
                "warm_up" if name == "warmup" else name: value for name, value in values.items()
            },
            packages=self.requires,
        )


def _kept_calls(gate: int, sp_interval: int, warmup: int) -> frozenset[int]:
    """Calls before `gate - 1` at which self-attention is remembered instead of run."""
    return frozenset(i for i in range(warmup + 1, gate - 1) if i % sp_interval)


@functools.lru_cache(maxsize=4096)
def _first_like(gate: int, sp_interval: int, warmup: int) -> tuple[int, int]:
    """The first (sp_interval, warmup) with the same schedule before the gate.

    Searched in the default ranges, where people look, then beyond: smallest warmup first, then
    smallest interval. What self-attention answers from is always its last run, so the calls at
    which it does not run say everything.
    """
    wanted = _kept_calls(gate, sp_interval, warmup)
    for candidate_warmup, candidate in _candidates(gate):
        if _kept_calls(gate, candidate, candidate_warmup) == wanted:
            return candidate, candidate_warmup
    return sp_interval, warmup


def _candidates(gate: int) -> Iterable[tuple[int, int]]:
    sp_intervals = TGate.params["sp_interval"].values()
    for warmup in TGate.params["warmup"].values():
        for interval in sp_intervals:
            yield int(warmup), int(interval)
    for warmup in range(gate):
        for interval in range(1, gate + 1):
            yield warmup, interval


def _smallest_interval(start: int, stop: int, interval: int) -> int:
    """The smallest interval with the same multiples in `range(start, stop)`."""

    def multiples(of: int) -> tuple[int, int, int]:
        first = -(-start // of) * of
        count = max(0, -(-(stop - first) // of))
        return (first, count, of if count > 1 else 0) if count else (0, 0, 0)

    wanted = multiples(interval)
    return next(of for of in range(1, interval + 1) if multiples(of) == wanted)
