"""One setting and one batch of prompts in, one measurement out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from accel_opt.accelerators import stack
from accel_opt.core.config import Config
from accel_opt.core.errors import EvaluationError, OutOfMemoryError
from accel_opt.core.measurement import Batch, BatchMeasurement, Begin
from accel_opt.core.memory import free, is_out_of_memory, short_text
from accel_opt.measure.calls import CallOptions
from accel_opt.measure.gallery import Gallery
from accel_opt.measure.generation import Baseline, Generated, Generation, Way
from accel_opt.measure.images import Images
from accel_opt.measure.scoring import Scorer
from accel_opt.metrics import Metric
from accel_opt.pipelines.devices import device_of
from accel_opt.prompts import PromptSet


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
        self._pipe, self._metrics = pipe, metrics
        self._gallery = Gallery(samples)
        self._halve_batch = halve_batch
        self._device = device_of(pipe)
        self._scorer = Scorer(self._device, beside=score_beside)
        self._generation = Generation(pipe, prompts, options, self._device, self._scorer)

    def warm_up(self, batch_size: int) -> float:
        """Calls the plain pipeline until its time is stable.

        Returns:
            Seconds of one baseline batch, for estimates.

        Raises:
            InputError: It does not fit the device's memory.
        """
        return self._generation.warm_up(batch_size)

    def __call__(self, config: Config, batch: Batch) -> BatchMeasurement:
        """Measures `config` on `batch`.

        Raises:
            OutOfMemoryError: The device has too little memory; it has been freed.
            BadImagesError: NaN, flat or duplicate images.
        """
        return self.measure(batch, self._way(config))

    @property
    def begin(self) -> Begin | None:
        """Generates a batch and leaves its scoring to a thread; see `Evaluate`.

        None where the device cannot do both at once.
        """
        if not self.scores_beside:
            return None
        return lambda config, batch: self.begin_measuring(batch, self._way(config))

    @property
    def scores_beside(self) -> bool:
        """Whether a batch may be scored while the next is generated, memory permitting."""
        return self._scorer.may_run_beside

    def measure(self, batch: Batch, way: Way) -> BatchMeasurement:
        """Measures any way to generate a batch; raises as a setting's measurement does."""
        made = self._generated(batch, way)
        return self._scorer.now(lambda: self._scored(batch, way, made))

    def begin_measuring(self, batch: Batch, way: Way) -> Callable[[], BatchMeasurement]:
        """The same, but scored beside what is generated next, where memory allows."""
        made = self._generated(batch, way)
        return self._scorer.begin(lambda: self._scored(batch, way, made))

    def baseline(self, batch: Batch) -> tuple[Images, dict[str, tuple[float, ...]]]:
        """The baseline's images of a batch, and their scores."""
        found = self._generation.baseline(batch)
        return found.images, self._scorer.now(lambda: self._baseline_scores(batch, found))

    def _way(self, config: Config) -> Way:
        return Way(config.key, lambda pipe: stack.applied(pipe, config), config)

    def _generated(self, batch: Batch, way: Way) -> Generated:
        size, parts, failure = len(batch.item_ids), 1, ""
        crowded = False
        if self._generation.times(batch):
            self._scorer.wait()
        while True:
            scoring = self._scorer.busy
            try:
                with self._scorer.turn:
                    made = self._generation.made(batch, way, parts)
                break
            except EvaluationError:
                raise
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                failure = short_text(error)
            # The except block is left first: its traceback would keep the tensors alive.
            self._scorer.wait()
            free(self._device)
            if scoring:
                crowded = True
            elif not self._halve_batch or 2 * parts > size:
                at = f"batch size {-(-size // parts)}"
                raise OutOfMemoryError(f"out of memory at {at}: {failure}")
            else:
                parts *= 2
        if crowded:
            # It fits alone, and did not beside scoring.
            self._scorer.stay_alone()
        return made

    def _scored(self, batch: Batch, way: Way, made: Generated) -> BatchMeasurement:
        prompts, baseline = self._generation.texts(batch), made.baseline
        base = self._baseline_scores(batch, baseline)
        scores = scored(self._metrics, made.images, prompts, baseline.images)
        images = (baseline.images, made.images)
        return BatchMeasurement(
            seconds=made.seconds,
            baseline_seconds=made.baseline_seconds,
            scores=scores,
            baseline_scores=base,
            peak_memory_mib=made.peak_memory_mib,
            baseline_peak_memory_mib=baseline.peak_memory_mib,
            artifacts=self._gallery.keep(
                way.name, batch, prompts, images, self._losses(scores, base)
            ),
            unchanged=bool((made.images == baseline.images).all()),
            note="; ".join(_notes(len(prompts), made)),
        )

    def _baseline_scores(self, batch: Batch, baseline: Baseline) -> dict[str, tuple[float, ...]]:
        if not baseline.scores:
            prompts = self._generation.texts(batch)
            baseline.scores = scored(self._metrics, baseline.images, prompts, baseline.images)
        return baseline.scores

    def _losses(
        self, scores: dict[str, tuple[float, ...]], base: dict[str, tuple[float, ...]]
    ) -> list[float]:
        """What each item lost in the first metric."""
        for name, metric in self._metrics.items():
            sign = 1 if metric.higher_is_better else -1
            return [sign * (b - f) for b, f in zip(base[name], scores[name], strict=True)]
        return []


def _notes(n: int, made: Generated) -> Iterator[str]:
    if made.parts > 1:
        yield f"batch of {n} out of memory, in {made.parts} parts"
    if flaws := made.baseline.flaws:
        yield f"{len(flaws)} of {n} images of the plain pipeline are bad ({flaws[0]})"


def scored(
    metrics: dict[str, Metric], images: Images, prompts: tuple[str, ...], baseline: Images
) -> dict[str, tuple[float, ...]]:
    """Every metric's scores of N images beside the baseline's, by metric."""
    return {name: metric.score(images, prompts, baseline) for name, metric in metrics.items()}
