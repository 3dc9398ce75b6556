"""Self-attention reuse: every block's self-attention runs on every n-th denoiser call only."""

import functools
from typing import Any, ClassVar

from accel_opt.accelerators.base import CACHES_ATTENTION, Accelerator
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.core.config import Params
from accel_opt.core.dims import Dim, Int, Number
from accel_opt.core.run import Refusal, RunInfo


class ReuseHooks:
    """Runs self-attention on calls 0, n, 2n, ...; in between, its last output is used again."""

    def __init__(self, run: LiveRun, reuse_every: int) -> None:
        self.run = run
        self.every = reuse_every
        self.outputs: dict[int, Any] = {}
        run.on_reset(self.outputs.clear)
        blocks = [m for m in run.denoiser.modules() if type(m).__name__ == "BasicTransformerBlock"]
        for number, block in enumerate(blocks):
            self.remember(block.attn1, number)

    def remember(self, attention: Any, number: int) -> None:
        """Makes one attention answer from memory between its turns."""
        original = attention.forward

        @functools.wraps(original)
        def forward(hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
            kept = self.outputs.get(number)
            due = self.run.index % self.every == 0 or self.run.index in self.run.barriers
            # Another shape: somebody dropped the guidance half in mid-run.
            if due or kept is None or kept.shape != hidden_states.shape:
                self.outputs[number] = original(hidden_states, *args, **kwargs)
            return self.outputs[number]

        attention.forward = forward


class SelfAttentionReuse(Accelerator):
    """Reuses the output of self-attention between denoiser calls."""

    name = "reuse"
    reference = "examples/custom_accelerator"
    params: ClassVar[dict[str, Dim]] = {
        "reuse_every": Int(2, 5, faster="up", meaning="calls from one computation to the next"),
    }
    traits = frozenset({CACHES_ATTENTION})
    hooks = ReuseHooks

    def supports(self, pipe: Any) -> Refusal | None:
        denoiser = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
        if denoiser is None or not any(
            type(m).__name__ == "BasicTransformerBlock" for m in denoiser.modules()
        ):
            return Refusal(f"{type(pipe).__name__} has no transformer blocks with self-attention")
        return None

    def canonical(self, params: Params, run: RunInfo) -> dict[str, Number] | Refusal:
        every = int(self.parse(params)["reuse_every"])
        if every < 2:
            return Refusal(f"reuse_every={every} reuses nothing; it must be 2 or more")
        return {"reuse_every": min(every, run.steps)}
