"""The calls of one batch: the baseline's and a setting's, in turn, with their times and peaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from accel_opt.core.config import Config
from accel_opt.core.errors import InputError
from accel_opt.core.measurement import Batch
from accel_opt.core.memory import free, is_out_of_memory, peak_mib, reset_peak, short_text
from accel_opt.measure.calls import CallOptions, in_parts
from accel_opt.measure.duplicates import EarlierPictures
from accel_opt.measure.images import Images, check, to_uint8
from accel_opt.measure.plain import PlainImages
from accel_opt.measure.scoring import Scorer
from accel_opt.measure.timing import timed
from accel_opt.measure.warming import FirstCalls, until_stable
from accel_opt.pipelines.calls import own_arguments
from accel_opt.prompts import PromptSet

# Given the pipeline, a context that yields what is called in its place.
Accelerated = Callable[[Any], AbstractContextManager[Callable[..., Any]]]


@dataclass(frozen=True)
class Way:
    """One way to generate a batch.

    Attributes:
        name: What it is called, in file names.
        accelerated: What is called in the pipeline's place.
        config: The setting; None where it is none, and needs no first call before it is timed.
    """

    name: str
    accelerated: Accelerated
    config: Config | None = None


@dataclass
class Baseline:
    """The plain pipeline's images of a batch.

    Attributes:
        images: `(N, H, W, 3)`.
        flaws: What is wrong with some of them, in words.
        peak_memory_mib: Of their call, when known.
        scores: By metric, once there are any.
    """

    images: Images
    flaws: tuple[str, ...] = ()
    peak_memory_mib: float | None = None
    scores: dict[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Generated:
    """What a batch's calls brought, before it is scored.

    Attributes:
        images: The setting's, `(N, H, W, 3)`.
        baseline: The baseline's.
        seconds: Of the setting's call; empty when it was not alone on the device.
        baseline_seconds: Of the baseline's call; empty when it was not timed.
        peak_memory_mib: Of the setting's call, when known.
        parts: Into how many parts the batch was cut.
    """

    images: Images
    baseline: Baseline
    seconds: tuple[float, ...]
    baseline_seconds: tuple[float, ...]
    peak_memory_mib: float | None
    parts: int = 1


class Generation:
    """Calls one pipeline for batches of prompts.

    The baseline's images are generated once per batch and kept, as they serve scoring only; its
    times are taken anew beside every setting that is timed.

    Args:
        pipe: A diffusers text-to-image pipeline on its device. It is left as it was.
        prompts: Search and held-out prompts.
        options: How the pipeline is called.
        device: Where it runs.
        scorer: What may be scored beside a call that is not timed.
    """

    def __init__(
        self, pipe: Any, prompts: PromptSet, options: CallOptions, device: str, scorer: Scorer
    ) -> None:
        self._pipe, self._prompts, self._options = pipe, prompts, options
        self._device, self._scorer = device, scorer
        self._own_arguments = own_arguments(pipe)
        self._baselines: dict[tuple[str, tuple[int, ...], int], Baseline] = {}
        self._plain, self._earlier = PlainImages(), EarlierPictures()
        self._first_calls = FirstCalls(device)

    def warm_up(self, batch_size: int) -> float:
        """Calls the plain pipeline until its time is stable; see `PipelineEvaluator.warm_up`."""
        every = self._prompts.search
        prompts = [every[i % len(every)] for i in range(batch_size)]
        try:
            return until_stable(lambda: self._call(self._pipe, prompts, 0)[0])
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            failure = short_text(error)
        free(self._device)
        raise InputError(
            f"the plain pipeline needs more memory than {self._device} has for a batch of "
            f"{batch_size}: give a smaller --batch-size or --resolution, or --dtype float16 "
            f"({failure})"
        )

    def times(self, batch: Batch) -> bool:
        """Whether the calls of a batch are timed: then they must be alone on the device."""
        # A baseline that must be generated for its scores is a complete call, and timed as one.
        return batch.timed or self._key(batch) not in self._baselines

    def made(self, batch: Batch, way: Way, parts: int = 1) -> Generated:
        """Generates a batch; what is timed in the order AB or BA, as its number is even or odd.

        Raises:
            BadImagesError: NaN, flat or duplicate images.
        """
        timing, alone = self.times(batch), not self._scorer.busy
        base_first = timing and batch.index % 2 == 0
        base = [self._baseline_s(batch)] if base_first else []
        cold = timing and way.config is not None and self._first_calls.due(way.config)
        reset_peak(self._device)
        with way.accelerated(self._pipe) as fast:
            call = fast if parts == 1 else in_parts(fast, parts)
            if cold:
                self._call(call, self.texts(batch), batch.seed)
            seconds, raw = self._call(call, self.texts(batch), batch.seed)
        if cold and way.config is not None:
            self._first_calls.made(way.config)
        peak = peak_mib(self._device) if alone else None
        self._scorer.generated(peak)
        if timing and not base_first:
            base = [self._baseline_s(batch)]
        baseline = self._baselines[self._key(batch)]
        images = to_uint8(raw)
        check(images, self.texts(batch), baseline.images)
        self._earlier.check(way.name, batch, images, self.texts(batch), baseline.images)
        # Beside scoring, the clock tells nothing of the call.
        return Generated(images, baseline, (seconds,) if alone else (), tuple(base), peak, parts)

    def baseline(self, batch: Batch) -> Baseline:
        """The baseline's images of a batch, generated now where there are none yet."""
        if self._key(batch) not in self._baselines:
            self._scorer.wait()
            self._baseline_s(batch)
        return self._baselines[self._key(batch)]

    def texts(self, batch: Batch) -> tuple[str, ...]:
        """The batch's prompts."""
        part = self._prompts.search if batch.phase == "search" else self._prompts.heldout
        return tuple(part[i] for i in batch.item_ids)

    def _baseline_s(self, batch: Batch) -> float:
        """Seconds of the untouched pipeline on a batch; its images are kept when they are new."""
        prompts = self.texts(batch)
        reset_peak(self._device)
        seconds, raw = self._call(self._pipe, prompts, batch.seed)
        peak = peak_mib(self._device)
        self._scorer.generated(peak)
        if self._key(batch) not in self._baselines:
            images, flaws = self._plain.checked(raw, prompts)
            self._baselines[self._key(batch)] = Baseline(images, flaws, peak)
        return seconds

    def _key(self, batch: Batch) -> tuple[str, tuple[int, ...], int]:
        return batch.phase, batch.item_ids, batch.seed

    def _call(
        self, call: Callable[..., Any], prompts: Sequence[str], seed: int
    ) -> tuple[float, Any]:
        import torch

        generator = torch.Generator("cpu").manual_seed(seed)
        arguments = self._options.arguments(prompts) | self._own_arguments
        seconds, output = timed(lambda: call(generator=generator, **arguments), self._device)
        return seconds, output.images
