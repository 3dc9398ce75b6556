"""A pipeline's run while it happens: which denoiser call this is, and whether guidance is on.

`LiveRun` is what the hooks of every accelerator look at. Its source is copied into generated
programs, so it imports nothing of this package and nothing at all when it is imported.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any


class LiveRun:
    """Counts the denoiser calls of a pipeline's current run.

    A run begins where the pipeline calls `scheduler.set_timesteps`: every cache is dropped there.
    Calls are counted, timesteps are never looked up: some schedulers repeat them (Heun), and
    image-to-image pipelines start in the middle. A second call with the very same latents is the
    other half of guidance (Chroma, CogView4, QwenImage, Lumina 2 call the halves one after the
    other): it keeps the number. Hooks that know of no halves would mix the two up, and with them
    it raises, as it does after more calls than there are timesteps.

    Caches are dropped after the last call too, so that the decoder gets the memory; after a last
    call whose second half was expected and did not come, they stay until the next run begins.

    Guidance doubles the batch exactly when the denoiser gets two times as many samples as
    `pipe.prepare_latents` made. That holds for pipelines that keep their guidance to themselves
    too (PixArt). Where that method was not called, the two halves of the first call's input are
    compared: under guidance they are copies of each other.

    Attributes:
        pipe: The pipeline.
        denoiser: Its UNet or transformer.
        barriers: Calls at which every cache across steps must be filled anew.
        steps: Denoiser calls that the schedule foresees.
        index: Number of the current call, from 0; -1 before the first.
        half: 1 in the second of two calls with one number, else 0.
        mixing: Hooks that would mix up halves that are called in turn: those that do not say by
            an attribute `halves_apart = True` that they keep what they remember of them apart.
        guided: Whether the current call's batch holds an unconditional and a conditional half.
        height: Rows of tokens at the denoiser's finest level, where latents are (B, C, H, W).
        width: Columns of tokens there.
        active: Parameters of the hooks that were put on, by the name of their class.
    """

    def __init__(self, pipe: Any, barriers: Iterable[int] = ()) -> None:
        self.pipe = pipe
        unet = getattr(pipe, "unet", None)
        self.denoiser = pipe.transformer if unet is None else unet
        self.barriers = frozenset(barriers)
        self.steps = 0
        self.index = -1
        self.half = 0
        self.mixing: list[str] = []
        self.guided = False
        self.height = self.width = 0
        self.active: dict[str, dict[str, Any]] = {}
        self._last: Any = None  # input of the latest call
        self._in_turn = False  # whether this number, or else the one before it, was used twice
        self._latents: int | None = None  # samples without guidance's copies
        self._latents_are_new = False
        self._scheduler: Any = None
        self._resets: list[Callable[[], object]] = []

    def put(self, hooks: Callable[..., object], **params: Any) -> None:
        """Puts an accelerator's hooks on, innermost first, and notes what they are."""
        name = getattr(hooks, "__name__", "")
        if not getattr(hooks(self, **params), "halves_apart", False):
            self.mixing.append(name)
        self.active[name] = params

    def on_reset(self, reset: Callable[[], object]) -> None:
        """Calls `reset` when a run begins and after its last denoiser call.

        Where guidance begins at the last call, that is after each of its halves.
        """
        self._resets.append(reset)

    def start(self) -> None:
        """Begins to watch the pipeline; call it after all hooks stand, so that it is outermost."""
        self._watch_scheduler()
        self._watch_latents()
        self._watch_denoiser()

    def one_half(
        self, forward: Callable[..., Any], args: Any, kwargs: Any, *, conditional: bool
    ) -> Any:
        """Calls the denoiser for one half of a guided batch and gives its answer for both.

        With equal halves the pipeline's u + scale * (c - u) is u, exactly: no guidance.

        Args:
            forward: The denoiser's forward.
            args: Its positional arguments; tensors hold 2B samples.
            kwargs: Its keyword arguments.
            conditional: Which half: the second (the prompt's), else the first.

        Returns:
            The denoiser's output for 2B samples.
        """
        size = self.sample(args, kwargs).shape[0] // 2

        def cut(value: Any) -> Any:
            if isinstance(value, (tuple, list)):
                return type(value)(cut(item) for item in value)
            if isinstance(value, dict):
                return {name: cut(item) for name, item in value.items()}
            if getattr(value, "ndim", 0) and value.shape[0] == 2 * size:
                return value[size:] if conditional else value[:size]
            return value

        output = forward(*cut(args), **cut(kwargs))
        if isinstance(output, tuple):
            return (output[0].repeat(2, *[1] * (output[0].ndim - 1)), *output[1:])
        return type(output)(sample=output.sample.repeat(2, *[1] * (output.sample.ndim - 1)))

    def _begin(self) -> None:
        self.steps = len(self._scheduler.timesteps)
        self.index, self.half, self._last, self._in_turn = -1, 0, None, False
        if not self._latents_are_new:
            self._latents = None
        self._reset()

    def _reset(self) -> None:
        for reset in self._resets:
            reset()

    def _watch_scheduler(self) -> None:
        if self._scheduler is self.pipe.scheduler:
            return
        scheduler = self._scheduler = self.pipe.scheduler
        original = scheduler.set_timesteps

        @functools.wraps(original)  # pipelines look at the signature
        def set_timesteps(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            if scheduler is self._scheduler:
                self._begin()
            return result

        scheduler.set_timesteps = set_timesteps

    def _watch_latents(self) -> None:
        original = getattr(self.pipe, "prepare_latents", None)
        if original is None:
            return

        @functools.wraps(original)
        def prepare_latents(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            latents = result[0] if isinstance(result, (tuple, list)) else result
            self._latents, self._latents_are_new = latents.shape[0], True
            if self.pipe.scheduler is not self._scheduler:  # somebody has put in another one
                self._watch_scheduler()
                self._begin()
            return result

        self.pipe.prepare_latents = prepare_latents

    def _watch_denoiser(self) -> None:
        original = self.denoiser.forward

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            self._count(self.sample(args, kwargs))
            output = original(*args, **kwargs)
            if self.index + 1 == self.steps and self.half == self._in_turn:
                self._reset()
            return output

        self.denoiser.forward = forward

    def _count(self, sample: Any) -> None:
        if sample is self._last and not self.half:
            if self.mixing:
                raise RuntimeError(
                    "the denoiser was called for one half of guidance after the other, and "
                    f"{', '.join(self.mixing)} would mix them up; use accelerators whose hooks "
                    "know of halves, or no guidance"
                )
            self.half, self._in_turn = 1, True
            return
        self._in_turn, self.half, self._last = self.half == 1, 0, sample
        self.index += 1
        self._latents_are_new = False
        if self.index >= self.steps > 0:
            raise RuntimeError(
                f"the denoiser was called more often than the schedule's {self.steps} times: "
                "accelerators count calls, and need a pipeline that makes one for each timestep "
                "after scheduler.set_timesteps (or it calls the halves of guidance with latents "
                "that are not the same object)"
            )
        n_samples = sample.shape[0]
        if self._latents is None:
            half = n_samples // 2
            copies = n_samples % 2 == 0 and bool((sample[:half] == sample[half:]).all())
            self._latents = half if copies else n_samples
        self.guided = n_samples == 2 * self._latents
        patch = getattr(self.denoiser.config, "patch_size", None) or 1
        if not isinstance(patch, int):
            patch = patch[-1]  # of frames, rows and columns
        self.height, self.width = sample.shape[-2] // patch, sample.shape[-1] // patch

    @staticmethod
    def sample(args: Any, kwargs: Any) -> Any:
        """The latents among the arguments of a denoiser call."""
        if args:
            return args[0]
        return kwargs["sample"] if "sample" in kwargs else kwargs["hidden_states"]
