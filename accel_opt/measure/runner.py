"""One setting and one batch of prompts in, one measurement out.

Baseline and setting are timed side by side in the order AB, BA, AB, BA: over two batches a
clock that drifts cancels. The baseline's images are generated once per batch and kept, as they
serve scoring only; its times are taken anew beside every setting.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accel_opt.accelerators import stack
from accel_opt.core.config import Config
from accel_opt.core.errors import EvaluationError, OutOfMemoryError
from accel_opt.core.measurement import Batch, BatchMeasurement, Begin
from accel_opt.measure.calls import CallOptions, in_parts
from accel_opt.measure.duplicates import EarlierPictures
from accel_opt.measure.gallery import Gallery
from accel_opt.measure.images import Images, check, to_uint8
from accel_opt.measure.memory import free, is_out_of_memory, peak_mib, reset_peak
from accel_opt.measure.scoring import Scorer
from accel_opt.measure.timing import timed
from accel_opt.metrics import Metric
from accel_opt.pipelines.calls import own_arguments
from accel_opt.prompts import PromptSet

# Given the pipeline, a context that yields what is called in its place.
Accelerated = Callable[[Any], AbstractContextManager[Callable[..., Any]]]


@dataclass
class _Reference:
    images: Images
    peak_memory_mib: float | None = None
    scores: dict[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Made:
    """What a batch's calls brought, before it is scored.

    Attributes:
        images: The setting's.
        reference: The baseline's.
        times: Seconds of the setting's calls and of the baseline's; none that were not alone.
        peak_memory_mib: Of the setting's call, when known.
        parts: Into how many parts the batch was cut.
    """

    images: Images
    reference: _Reference
    times: tuple[tuple[float, ...], tuple[float, ...]]
    peak_memory_mib: float | None
    parts: int


class PipelineEvaluator:
    """Measures settings of one pipeline; the seam's `Evaluate` for real pipelines.

    Args:
        pipe: A diffusers text-to-image pipeline on its device. It is left as it was.
        prompts: Search and held-out prompts.
        metrics: Metrics by name.
        options: How the pipeline is called.
        samples: Folder for a few images of every setting; None keeps none.
        halve_batch: Whether a setting that runs out of memory is generated in halves of the
            batch, then in quarters and so on, instead of failing.
        score_beside: Whether a batch may be scored while the next is generated, where the next
            one's times do not count; None asks the device (see `measure.scoring`).
    """

    def __init__(
        self,
        pipe: Any,
        prompts: PromptSet,
        metrics: dict[str, Metric],
        options: CallOptions,
        samples: Path | None = None,
        *,
        halve_batch: bool = False,
        score_beside: bool | None = None,
    ) -> None:
        self._pipe = pipe
        self._prompts = prompts
        self._metrics = metrics
        self._options = options
        self._gallery = Gallery(samples)
        self._halve_batch = halve_batch
        self._earlier = EarlierPictures()
        self._references: dict[tuple[str, tuple[int, ...], int], _Reference] = {}
        self._device = str(getattr(pipe, "_execution_device", pipe.device))
        self._own_arguments = own_arguments(pipe)
        self._scorer = Scorer(self._device, beside=score_beside)

    def warm_up(self, batch_size: int) -> float:
        """Runs the plain pipeline once untimed, then once timed.

        Returns:
            Seconds of one baseline batch, for estimates.
        """
        prompts = [self._prompts.search[i % len(self._prompts.search)] for i in range(batch_size)]
        self._generate(self._pipe, prompts, 0)
        return self._generate(self._pipe, prompts, 0)[0]

    def __call__(self, config: Config, batch: Batch) -> BatchMeasurement:
        """Measures `config` on `batch`.

        Raises:
            OutOfMemoryError: The device has too little memory; it has been freed.
            BadImagesError: NaN, flat or duplicate images.
        """
        return self._begin_setting(config, batch)()

    @property
    def begin(self) -> Begin | None:
        """Generates a batch and leaves its scoring to a thread; see `Evaluate`.

        None where the device cannot do both at once.
        """
        return self._begin_setting if self.scores_beside else None

    @property
    def scores_beside(self) -> bool:
        """Whether a batch may be scored while the next is generated, memory permitting."""
        return self._scorer.may_run_beside

    def _begin_setting(self, config: Config, batch: Batch) -> Callable[[], BatchMeasurement]:
        return self.begin_call(batch, config.key, lambda _: stack.applied(self._pipe, config))

    def begin_call(
        self, batch: Batch, name: str, accelerated: Accelerated
    ) -> Callable[[], BatchMeasurement]:
        """Generates a batch in any way, and begins to score it.

        Args:
            batch: Which items.
            name: What the way is called, in file names.
            accelerated: Given the pipeline, a context that yields what is called in its place.

        Returns:
            Waits for the scores and gives the measurement.

        Raises:
            OutOfMemoryError: The device has too little memory; it has been freed.
            BadImagesError: NaN, flat or duplicate images.
        """
        size, parts, failure = len(batch.item_ids), 1, ""
        # A baseline that must be generated for its scores is a complete call, and timed as one.
        new = self._key(batch) not in self._references
        timing = batch.timed or (new and batch.alone)
        if timing:
            self._scorer.wait()
        while True:
            scoring = self._scorer.busy
            try:
                with self._scorer.turn:
                    made = self._made(batch, name, accelerated, parts, timing=timing)
                break
            except EvaluationError:
                raise
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                failure = str(error).partition("\n")[0]
            # The except block is left first: its traceback would keep the tensors alive.
            free(self._device)
            if scoring:
                self._scorer.stay_alone()
            elif not self._halve_batch or 2 * parts > size:
                at = f"batch size {-(-size // parts)}"
                raise OutOfMemoryError(f"out of memory at {at}: {failure}")
            else:
                parts *= 2
        return self._scorer.begin(lambda: self._measurement(batch, name, made))

    def _made(
        self,
        batch: Batch,
        name: str,
        accelerated: Accelerated,
        parts: int,
        *,
        timing: bool,
    ) -> _Made:
        prompts = self._texts(batch)
        scoring = self._scorer.busy
        new = self._key(batch) not in self._references
        base_first = timing and batch.index % 2 == 0
        base: tuple[float, ...] = ()
        if base_first or (new and not timing):
            base = (self._baseline_s(batch, prompts),)
        reset_peak(self._device)
        with accelerated(self._pipe) as fast:
            call = fast if parts == 1 else in_parts(fast, parts)
            seconds, raw = self._generate(call, prompts, batch.seed)
        peak = None if scoring else peak_mib(self._device)
        self._scorer.generated(peak)
        if timing and not base_first:
            base = (self._baseline_s(batch, prompts),)
        reference = self._references[self._key(batch)]
        images = to_uint8(raw)
        check(images, prompts, reference.images)
        self._earlier.check(name, batch, images, prompts, reference.images)
        # Beside scoring, the clock tells nothing of the call.
        times = ((), ()) if scoring else ((seconds,), base if timing else ())
        return _Made(images, reference, times, peak, parts)

    def _measurement(self, batch: Batch, name: str, made: _Made) -> BatchMeasurement:
        """Scores what was made; where memory allows while the next batch is generated."""
        prompts, reference = self._texts(batch), made.reference
        base = self._baseline_scores(reference, prompts)
        scores = scored(self._metrics, made.images, prompts, reference.images)
        cut = f"batch of {len(prompts)} out of memory, in {made.parts} parts"
        return BatchMeasurement(
            seconds=made.times[0],
            baseline_seconds=made.times[1],
            scores=scores,
            baseline_scores=base,
            peak_memory_mib=made.peak_memory_mib,
            baseline_peak_memory_mib=reference.peak_memory_mib,
            artifacts=self._gallery.keep(
                name,
                batch,
                prompts,
                (reference.images, made.images),
                self._losses(scores, base),
            ),
            unchanged=bool((made.images == reference.images).all()),
            note=cut if made.parts > 1 else "",
        )

    def baseline(self, batch: Batch) -> tuple[Images, dict[str, tuple[float, ...]]]:
        """The baseline's images of a batch, and their scores."""
        if self._key(batch) not in self._references:
            self._baseline_s(batch, self._texts(batch))
        self._scorer.wait()
        reference = self._references[self._key(batch)]
        return reference.images, self._baseline_scores(reference, self._texts(batch))

    def _texts(self, batch: Batch) -> tuple[str, ...]:
        part = self._prompts.search if batch.phase == "search" else self._prompts.heldout
        return tuple(part[i] for i in batch.item_ids)

    def _baseline_s(self, batch: Batch, prompts: tuple[str, ...]) -> float:
        """Seconds of the untouched pipeline on a batch; its images are kept when they are new."""
        reset_peak(self._device)
        seconds, raw = self._generate(self._pipe, prompts, batch.seed)
        peak = peak_mib(self._device)
        if self._key(batch) not in self._references:
            images = to_uint8(raw)
            check(images, prompts)
            self._references[self._key(batch)] = _Reference(images, peak)
        return seconds

    def _baseline_scores(
        self, reference: _Reference, prompts: tuple[str, ...]
    ) -> dict[str, tuple[float, ...]]:
        if not reference.scores:
            reference.scores = scored(self._metrics, reference.images, prompts, reference.images)
        return reference.scores

    def _key(self, batch: Batch) -> tuple[str, tuple[int, ...], int]:
        return batch.phase, batch.item_ids, batch.seed

    def _generate(
        self, call: Callable[..., Any], prompts: Sequence[str], seed: int
    ) -> tuple[float, Any]:
        import torch

        generator = torch.Generator("cpu").manual_seed(seed)
        arguments = self._options.arguments(prompts) | self._own_arguments
        seconds, output = timed(lambda: call(generator=generator, **arguments), self._device)
        return seconds, output.images

    def _losses(
        self, scores: dict[str, tuple[float, ...]], base: dict[str, tuple[float, ...]]
    ) -> list[float]:
        """What each item lost in the first metric."""
        for name, metric in self._metrics.items():
            sign = 1 if metric.higher_is_better else -1
            return [sign * (b - f) for b, f in zip(base[name], scores[name], strict=True)]
        return []


def scored(
    metrics: dict[str, Metric], images: Images, prompts: tuple[str, ...], baseline: Images
) -> dict[str, tuple[float, ...]]:
    """Every metric's scores of N images beside the baseline's, by metric."""
    return {name: metric.score(images, prompts, baseline) for name, metric in metrics.items()}
