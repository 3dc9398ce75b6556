"""One setting and one batch of prompts in, one measurement out.

Baseline and setting are timed side by side in the order AB, BA, AB, BA: over two batches a
clock that drifts cancels. The baseline's images are generated once per batch and kept, as they
serve scoring only; its times are taken anew beside every setting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accel_opt.accelerators import stack
from accel_opt.core.config import Config
from accel_opt.core.errors import EvaluationError, OutOfMemoryError
from accel_opt.core.measurement import Batch, BatchMeasurement
from accel_opt.measure.duplicates import EarlierPictures
from accel_opt.measure.gallery import Gallery
from accel_opt.measure.images import Images, check, to_uint8
from accel_opt.measure.timing import synchronize, timed
from accel_opt.metrics import Metric
from accel_opt.pipelines.calls import own_arguments
from accel_opt.prompts import PromptSet


@dataclass(frozen=True)
class CallOptions:
    """How the pipeline is called, for baseline and setting alike.

    Attributes:
        steps: Inference steps.
        guidance_scale: Guidance.
        negative_prompt: The same for every prompt, or None.
        resolution: Height and width in pixels; None takes the pipeline's own.
    """

    steps: int
    guidance_scale: float
    negative_prompt: str | None = None
    resolution: int | None = None

    def arguments(self, prompts: Sequence[str]) -> dict[str, Any]:
        """Keyword arguments of one call."""
        arguments: dict[str, Any] = {
            "prompt": list(prompts),
            "num_inference_steps": self.steps,
            "guidance_scale": self.guidance_scale,
            "output_type": "np",
        }
        if self.negative_prompt is not None:
            arguments["negative_prompt"] = [self.negative_prompt] * len(prompts)
        if self.resolution is not None:
            arguments |= {"height": self.resolution, "width": self.resolution}
        return arguments


@dataclass
class _Reference:
    images: Images
    scores: dict[str, tuple[float, ...]] = field(default_factory=dict)
    peak_memory_mib: float | None = None


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
        return self._guarded(batch, config.key, lambda: stack.applied(self._pipe, config))

    def fewer_steps(self, steps: int, batch: Batch) -> BatchMeasurement:
        """Measures the plain pipeline with other than its usual number of steps.

        Raises:
            OutOfMemoryError: As for a setting.
            BadImagesError: As for a setting.
        """

        @contextmanager
        def plain() -> Iterator[Callable[..., Any]]:
            yield lambda **arguments: self._pipe(**arguments | {"num_inference_steps": steps})

        return self._guarded(batch, f"steps{steps}", plain)

    def _guarded(
        self, batch: Batch, name: str, accelerated: Callable[[], AbstractContextManager[Any]]
    ) -> BatchMeasurement:
        size, parts, failure = len(batch.item_ids), 1, ""
        while True:
            try:
                return self._measure(batch, name, accelerated, parts)
            except EvaluationError:
                raise
            except Exception as error:
                if not _is_out_of_memory(error):
                    raise
                failure = str(error).splitlines()[0]
            # The except block is left first: its traceback would keep the tensors alive.
            _free(self._device)
            if not self._halve_batch or 2 * parts > size:
                at = f"batch size {-(-size // parts)}"
                raise OutOfMemoryError(f"out of memory at {at}: {failure}")
            parts *= 2

    def _measure(
        self,
        batch: Batch,
        name: str,
        accelerated: Callable[[], AbstractContextManager[Any]],
        parts: int,
    ) -> BatchMeasurement:
        prompts = self._texts(batch)
        # A baseline that must be generated for its scores is a complete call, and timed as one.
        timing = batch.timed or self._key(batch) not in self._references
        base_first = timing and batch.index % 2 == 0
        base = [self._baseline_s(batch, prompts)] if base_first else []
        _reset_peak(self._device)
        with accelerated() as fast:
            call = fast if parts == 1 else _in_parts(fast, parts)
            seconds, raw = self._generate(call, prompts, batch.seed)
        peak = _peak_mib(self._device)
        if timing and not base_first:
            base = [self._baseline_s(batch, prompts)]
        reference = self._references[self._key(batch)]
        images = to_uint8(raw)
        check(images, prompts, reference.images)
        self._earlier.check(name, batch, images, prompts, reference.images)
        scores = scored(self._metrics, images, prompts, reference.images)
        return BatchMeasurement(
            seconds=(seconds,),
            baseline_seconds=tuple(base),
            scores=scores,
            baseline_scores=reference.scores,
            peak_memory_mib=peak,
            baseline_peak_memory_mib=reference.peak_memory_mib,
            artifacts=self._gallery.keep(
                name,
                batch,
                prompts,
                (reference.images, images),
                self._losses(scores, reference.scores),
            ),
            unchanged=bool((images == reference.images).all()),
            note=f"batch of {len(prompts)} out of memory, in {parts} parts" if parts > 1 else "",
        )

    def baseline(self, batch: Batch) -> tuple[Images, dict[str, tuple[float, ...]]]:
        """The baseline's images of a batch, and their scores."""
        if self._key(batch) not in self._references:
            self._baseline_s(batch, self._texts(batch))
        reference = self._references[self._key(batch)]
        return reference.images, reference.scores

    def _texts(self, batch: Batch) -> tuple[str, ...]:
        part = self._prompts.search if batch.phase == "search" else self._prompts.heldout
        return tuple(part[i] for i in batch.item_ids)

    def _baseline_s(self, batch: Batch, prompts: tuple[str, ...]) -> float:
        """Seconds of the untouched pipeline on a batch; its images are kept when they are new."""
        _reset_peak(self._device)
        seconds, raw = self._generate(self._pipe, prompts, batch.seed)
        peak = _peak_mib(self._device)
        if self._key(batch) not in self._references:
            images = to_uint8(raw)
            check(images, prompts)
            scores = scored(self._metrics, images, prompts, images)
            self._references[self._key(batch)] = _Reference(images, scores, peak)
        return seconds

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


@dataclass(frozen=True)
class _Generated:
    images: Any


def _in_parts(call: Callable[..., Any], parts: int) -> Callable[..., _Generated]:
    """The call made for some prompts after the other; the generator goes on between them."""

    def generate(**arguments: Any) -> _Generated:
        import numpy as np

        prompts = arguments["prompt"]
        size = -(-len(prompts) // parts)
        made = []
        for start in range(0, len(prompts), size):
            part = slice(start, start + size)
            cut = {n: v[part] if isinstance(v, list) else v for n, v in arguments.items()}
            made.append(call(**cut).images)
        return _Generated(np.concatenate(made))

    return generate


def _is_out_of_memory(error: Exception) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError | MemoryError)


def _free(device: str) -> None:
    import gc

    import torch

    gc.collect()
    if device.startswith("cuda"):
        synchronize(device)
        torch.cuda.empty_cache()


def _reset_peak(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def _peak_mib(device: str) -> float | None:
    if not device.startswith("cuda"):
        return None
    import torch

    return float(torch.cuda.max_memory_allocated(device)) / 2**20
