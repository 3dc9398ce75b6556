"""Seconds of settings of a model with random weights, beside the plain pipeline's."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from accel_opt.accelerators import stack
from accel_opt.core.config import Config
from accel_opt.core.errors import OutOfMemoryError
from accel_opt.core.events import Notice, OnEvent
from accel_opt.core.memory import free, is_out_of_memory, peak_mib, reset_peak
from accel_opt.measure.calls import CallOptions
from accel_opt.measure.timing import timed
from accel_opt.measure.warming import until_stable
from accel_opt.pipelines.calls import own_arguments
from accel_opt.search.pipeline_problem import PipelineProblem


@dataclass(frozen=True)
class Ranked:
    """One setting without its quality.

    Attributes:
        config: The setting.
        flops_ratio: FLOPs of the plain denoiser over those of the accelerated one.
        speedup: Seconds of the plain pipeline over those of the accelerated one, when timed.
        latency_s: Seconds per prompt, when timed.
        peak_memory_mib: Most memory allocated during its calls, where the device tells.
        failed: Why it could not be timed, such as "out of memory"; "" otherwise.
    """

    config: Config
    flops_ratio: float
    speedup: float | None = None
    latency_s: float | None = None
    peak_memory_mib: float | None = None
    failed: str = ""


def timed_beside_plain(
    problem: PipelineProblem, ranking: Iterable[Ranked], on_event: OnEvent
) -> list[Ranked]:
    """Seconds beside the plain pipeline, in the order AB, BA.

    Args:
        problem: Pipeline, and how it is called.
        ranking: Settings.
        on_event: Told of each.

    Returns:
        The settings with their seconds; with what went wrong where memory was short.

    Raises:
        OutOfMemoryError: Not even the plain pipeline fits; it has been freed.
    """
    size, device = int(problem.spec.batch_size or 1), str(problem.pipe.device)
    seconds = _clock(problem, size, device)
    short = _short_of_memory(lambda: until_stable(lambda: seconds(problem.pipe)), device)
    if short is not None:
        raise OutOfMemoryError(
            f"the plain pipeline is out of memory at batch size {size}: {short}; take a smaller "
            "--batch-size, or --objective flops, which needs none"
        )
    found: list[Ranked] = []
    for ranked in ranking:

        def measure(ranked: Ranked = ranked) -> None:
            found.append(_beside_plain(problem.pipe, ranked, seconds, size))

        if _short_of_memory(measure, device) is not None:
            found.append(replace(ranked, failed="out of memory"))
        last = found[-1]
        said = last.failed or f"{last.speedup:.2f}x, {last.latency_s:.3g} s per prompt"
        on_event(Notice(f"{ranked.config}: {said}"))
    return found


def _clock(problem: PipelineProblem, size: int, device: str) -> Callable[[Any], float]:
    """Gives the seconds of a call of the pipeline, or of what is called in its place."""
    import torch

    spec = problem.spec
    options = CallOptions(
        spec.steps, float(spec.guidance_scale or 0), spec.negative_prompt, spec.resolution
    )
    arguments = options.arguments(["a photo of a cat"] * size) | own_arguments(problem.pipe)

    def seconds(call: Any) -> float:
        generator = torch.Generator("cpu").manual_seed(spec.seed)
        return timed(lambda: call(generator=generator, **arguments), device)[0]

    return seconds


def _beside_plain(pipe: Any, ranked: Ranked, seconds: Callable[[Any], float], size: int) -> Ranked:
    device = str(pipe.device)
    reset_peak(device)
    with stack.applied(pipe, ranked.config) as call:
        seconds(call)  # the first call of a setting is slower than any other
    peak = peak_mib(device)
    plain_s, fast_s = [seconds(pipe)], []
    with stack.applied(pipe, ranked.config) as call:
        fast_s += [seconds(call), seconds(call)]
    plain_s.append(seconds(pipe))
    fast = statistics.fmean(fast_s)
    speedup = statistics.fmean(plain_s) / fast
    return replace(ranked, speedup=speedup, latency_s=fast / size, peak_memory_mib=peak)


def _short_of_memory(job: Callable[[], object], device: str) -> str | None:
    """Does a job; what the device said when its memory was short, which is then freed."""
    try:
        job()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        failure = str(error).partition("\n")[0]
    else:
        return None
    # The except block is left first: its traceback would keep the tensors alive.
    free(device)
    return failure
