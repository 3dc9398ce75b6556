"""Pyramid attention broadcast: in the middle of a run attention answers from memory."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from typing_extensions import override

from accel_opt.accelerators.base import CACHES_ATTENTION, Accelerator, CodeLines, Preset
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.accelerators.model import attentions, denoiser_of
from accel_opt.accelerators.work import CROSS, SELF, Work
from accel_opt.core.config import Params
from accel_opt.core.dims import Dim, Float, Int, Number
from accel_opt.core.run import Refusal, RunInfo

# The published window is timesteps 100 to 800 of 1000: the last tenth of a run runs in full.
_END = 0.9
# Elsewhere halves of guidance may be called in turn, and diffusers' hooks mix them up.
_ONE_CALL_A_STEP = ("StableDiffusion", "PixArt", "FluxPipeline")


def broadcast_window(start: float, steps: int) -> tuple[int, int]:
    """First call whose attention may answer from memory, and the first one after those.

    Args:
        start: Share of a run's calls that come before.
        steps: Calls of the run.
    """
    # Rounded first: 0.3 of 10 is not quite 3 in binary.
    return max(1, -int(-round(start * steps, 9) // 1)), int(round(0.9 * steps, 9))


class PyramidAttentionHooks:
    """Between two shares of a run, attention runs at every so many calls and is remembered.

    Same output as diffusers' `apply_pyramid_attention_broadcast` with the calls' numbers for
    timesteps. Arguments of another shape are computed, so batches may be halved in mid-run; so
    is what was last computed before the schedule's last computed call, as skipped blocks do.

    Args:
        run: The pipeline's current run.
        self_broadcast: Self-attention runs at multiples of this many calls.
        cross_broadcast: Cross-attention runs at multiples of this many calls.
        broadcast_start: Share of the calls before attention is first remembered.
    """

    halves_apart = True

    def __init__(
        self, run: LiveRun, self_broadcast: int, cross_broadcast: int, broadcast_start: float
    ) -> None:
        self.run = run
        self.start = broadcast_start
        # By module and half: call, shape of its input, output.
        self.kept: dict[tuple[int, int], tuple[int, Any, Any]] = {}
        run.on_reset(self.kept.clear)
        for number, (path, module) in enumerate(list(run.denoiser.named_modules())):
            kinds = {kind.__name__ for kind in type(module).__mro__}
            attends = kinds & {"Attention", "AttentionModuleMixin"}
            if attends and ("blocks" in path or "layers" in path):
                crosses = getattr(module, "is_cross_attention", False)
                self.remember(module, number, cross_broadcast if crosses else self_broadcast)
        self.forget_at_barriers(run.denoiser)

    def last_computed(self, index: int, interval: int) -> int:
        """The latest call up to `index` at which the schedule computes."""
        first, end = broadcast_window(self.start, self.run.steps)
        if not first <= index < end:
            return index
        return max(index - index % interval, first - 1)

    def remember(self, attention: Any, number: int, interval: int) -> None:
        """Makes one attention module answer from memory where the schedule says so."""
        original = attention.forward

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            index = self.run.index
            shape = (args[0] if args else kwargs["hidden_states"]).shape
            at, kept_shape, output = self.kept.get((number, self.run.half), (-1, None, None))
            computed = self.last_computed(index, interval)
            if computed == index or at < computed or kept_shape != shape:
                output = original(*args, **kwargs)
                self.kept[number, self.run.half] = (index, shape, output)
            return output

        attention.forward = forward

    def forget_at_barriers(self, denoiser: Any) -> None:
        """Makes every attention run where another accelerator needs it to."""
        original = denoiser.forward

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            if self.run.index in self.run.barriers and not self.run.half:
                self.kept.clear()
            return original(*args, **kwargs)

        denoiser.forward = forward


class PyramidAttentionBroadcast(Accelerator):
    """Remembers attention outputs across steps, cross-attention's longer than self-attention's."""

    name = "pab"
    requires = ("diffusers",)
    reference = "arXiv:2408.12588"
    params: ClassVar[dict[str, Dim]] = {
        "self_broadcast": Int(2, 4, faster="up", meaning="calls from one self-attention to next"),
        "cross_broadcast": Int(2, 6, faster="up", meaning="calls from one cross-attention to next"),
        "broadcast_start": Float(
            0.1, 0.4, 0.1, faster="down", meaning="share of the run before anything is remembered"
        ),
    }
    presets = (
        Preset(
            {"self_broadcast": 2, "cross_broadcast": 6, "broadcast_start": 0.2},
            "paper, Open-Sora: spatial 2, cross 6; diffusers' window of timesteps 100 to 800",
        ),
        Preset(
            {"self_broadcast": 2, "cross_broadcast": 2, "broadcast_start": 0.2},
            "diffusers' documentation: every second call in timesteps 100 to 800",
        ),
    )
    traits = frozenset({CACHES_ATTENTION})
    hooks = PyramidAttentionHooks
    hook_parts = (broadcast_window,)

    @override
    def supports(self, pipe: Any) -> Refusal | None:
        denoiser = denoiser_of(pipe)
        if denoiser is None or next(attentions(denoiser), None) is None:
            return Refusal(
                f"{type(denoiser).__name__} has no diffusers attention in its blocks, whose "
                "output could be remembered"
            )
        return None

    @override
    def canonical(self, params: Params, run: RunInfo) -> dict[str, Number] | Refusal:
        values = self.parse(params)
        start = float(values["broadcast_start"])
        if not 0 <= start < _END:
            return Refusal(
                f"broadcast_start={start} leaves no call to remember at; it must be 0 or more and "
                f"below {_END}"
            )
        intervals = {n: int(values[n]) for n in ("self_broadcast", "cross_broadcast")}
        for name, interval in intervals.items():
            if interval < 1:
                return Refusal(f"{name}={interval} is no interval; it must be 1 or more")
        for name, interval in intervals.items():
            there = _has(run, name)
            intervals[name] = _smallest_like(interval, start, run.steps) if there else 1
        if all(interval == 1 for interval in intervals.values()):
            first, end = broadcast_window(start, run.steps)
            said = ", ".join(f"{n}={values[n]}" for n in intervals if _has(run, n))
            return Refusal(
                f"{said}: no attention would answer from memory in calls {first} to {end - 1} of "
                f"{run.steps}; take intervals of 2 or more, or more steps"
            )
        return {**intervals, "broadcast_start": _first_start(intervals, start, run.steps)}

    @override
    def ranges(self, run: RunInfo) -> dict[str, Dim]:
        found = dict(self.params)
        for name in ("self_broadcast", "cross_broadcast"):
            if not _has(run, name):
                found[name] = found[name].narrowed(1, 1)
        return found

    @override
    def work(self, params: Params, run: RunInfo, table: Work) -> Work:
        import numpy as np

        runs = np.ones(table.flops.shape)
        for kind, name in ((SELF, "self_broadcast"), (CROSS, "cross_broadcast")):
            reused = _reused(int(params[name]), float(params["broadcast_start"]), run.steps)
            for unit in table.numbers(kind):
                kept = -1  # the last call at which it ran
                for call in range(run.steps):
                    if not table.flops[call, unit]:
                        continue  # below a skipped block
                    computed = max(i for i in range(call + 1) if i not in reused)
                    barrier = max((b for b in table.barriers if b <= call), default=0)
                    if computed == call or kept < max(computed, barrier):
                        kept = call
                    else:
                        runs[call, unit] = 0
        return table.scaled(runs)

    @override
    def code(self, params: Params, run: RunInfo) -> CodeLines | None:
        if not run.model.pipeline.startswith(_ONE_CALL_A_STEP):
            return None
        values = self.parse(params)
        first, end = broadcast_window(float(values["broadcast_start"]), run.steps)
        denoiser = f"pipe.{run.model.denoiser}"
        intervals = {"spatial": values["self_broadcast"], "cross": values["cross_broadcast"]}
        options = [
            f"    {kind}_attention_{option}={value},"
            for kind, interval in intervals.items()
            if interval > 1
            for option, value in (
                ("block_skip_range", interval),
                ("timestep_skip_range", (first - 1, end)),
            )
        ]
        return CodeLines(
            imports=(
                "from typing import Any",
                "from diffusers import PyramidAttentionBroadcastConfig",
                "from diffusers.hooks import HookRegistry, ModelHook",
                "from diffusers.hooks import apply_pyramid_attention_broadcast",
            ),
            definitions=_CALL_COUNT,
            setup=(
                "count = CallCount()",
                f"registry = HookRegistry.check_if_exists_or_initialize({denoiser})",
                'registry.register_hook(count, "call_count")',
                "config = PyramidAttentionBroadcastConfig(",
                *options,
                "    current_timestep_callback=count.current,",
                ")",
                f"apply_pyramid_attention_broadcast({denoiser}, config)",
            ),
            # Nothing else forgets what the last call of the pipeline has left.
            before_call=(f"{denoiser}._diffusers_hook.reset_stateful_hooks()",),
        )


_CALL_COUNT = '''
class CallCount(ModelHook):
    """Number of the denoiser's current call: the window is given in calls, not in timesteps."""

    _is_stateful = True

    def __init__(self) -> None:
        super().__init__()
        self.index = -1

    def current(self) -> int:
        return self.index

    def pre_forward(self, module: Any, *args: Any, **kwargs: Any) -> Any:
        del module
        self.index += 1
        return args, kwargs

    def reset_state(self, module: Any) -> Any:
        self.index = -1
        return module
'''.strip()


def _has(run: RunInfo, interval: str) -> bool:
    """Whether the model has attention of the kind that a parameter is about."""
    return dict(run.model.traits).get(interval.replace("broadcast", "attentions"), 1) > 0


@functools.lru_cache(maxsize=4096)
def _reused(interval: int, start: float, steps: int) -> frozenset[int]:
    """Calls at which attention answers from memory."""
    return frozenset(i for i in range(*broadcast_window(start, steps)) if i % interval)


def _smallest_like(interval: int, start: float, steps: int) -> int:
    """The smallest interval with the same schedule; 1 where nothing is remembered."""
    wanted = _reused(interval, start, steps)
    return next(n for n in range(1, interval + 1) if _reused(n, start, steps) == wanted)


def _first_start(intervals: dict[str, int], start: float, steps: int) -> float:
    """The first start of the default range with the same schedules, else `start` itself."""
    wanted = [_reused(n, start, steps) for n in intervals.values()]
    for value in PyramidAttentionBroadcast.params["broadcast_start"].values():
        if [_reused(n, float(value), steps) for n in intervals.values()] == wanted:
            return float(value)
    return start
