"""Seconds of complete calls, the two sides in the order AB, BA, AB, BA."""

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from accel_opt.measure.timing import timed
from accel_opt.pipelines.calls import own_arguments

from cases import GUIDANCE  # isort: skip

PROMPTS = ("a photo of a cat", "a red house", "two dogs", "a ship at sea")
PAIRS = 4
# Calls this long are even enough for half as many.
LONG_S = 10.0


@dataclass(frozen=True)
class Ratio:
    """What a comparison came to.

    Attributes:
        value: How many times longer one side takes than the other.
        error: Standard error of its logarithm.
        one_s: Median seconds of a call of the one side.
        other_s: The same of the other.
    """

    value: float
    error: float
    one_s: float
    other_s: float


def once(call: Callable[..., Any], pipe: Any, steps: int, batch: int, **more: Any) -> float:
    """Seconds of one call with texts, encoding and decoding included."""
    import torch

    prompts = [PROMPTS[i % len(PROMPTS)] for i in range(batch)]
    generator = torch.Generator("cpu").manual_seed(0)
    options = {"guidance_scale": GUIDANCE, "output_type": "np", **own_arguments(pipe), **more}
    seconds, _ = timed(
        lambda: call(prompts, num_inference_steps=steps, generator=generator, **options),
        str(pipe.device),
    )
    return seconds


def pairs_for(seconds: float) -> int:
    """How many pairs of calls of this length are made."""
    return PAIRS if seconds < LONG_S else PAIRS // 2


def ratio(one: Callable[[], float], other: Callable[[], float], pairs: int = PAIRS) -> Ratio:
    """How many times longer `one` takes than `other`.

    Args:
        one: Measures the first side.
        other: Measures the second side.
        pairs: Pairs of measurements; even, so that a clock that drifts cancels.
    """
    ones, others = [], []
    for turn in range(pairs):
        order = (ones, others) if turn % 2 == 0 else (others, ones)
        for side in order:
            side.append(one() if side is ones else other())
    logs = [math.log(a / b) for a, b in zip(ones, others, strict=True)]
    return Ratio(
        math.exp(statistics.fmean(logs)),
        statistics.stdev(logs) / math.sqrt(pairs),
        statistics.median(ones),
        statistics.median(others),
    )
