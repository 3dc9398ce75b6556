"""Seconds of complete calls, the two sides in the order AB, BA, AB, BA."""

import math
import statistics
from collections.abc import Callable
from typing import Any

from accel_opt.measure.timing import timed

PROMPTS = ("a photo of a cat", "a red house", "two dogs", "a ship at sea")


def once(call: Callable[..., Any], pipe: Any, steps: int, batch: int, **more: Any) -> float:
    """Seconds of one call with texts, encoding and decoding included."""
    import torch

    prompts = [PROMPTS[i % len(PROMPTS)] for i in range(batch)]
    generator = torch.Generator("cpu").manual_seed(0)
    options = {"guidance_scale": 7.5, "output_type": "np", **more}
    if type(pipe).__name__.startswith("PixArt"):
        options["clean_caption"] = False  # as everywhere here: cleaning needs packages more
    seconds, _ = timed(
        lambda: call(prompts, num_inference_steps=steps, generator=generator, **options),
        str(pipe.device),
    )
    return seconds


def warmed_up(call: Callable[..., Any], pipe: Any, steps: int, batch: int, **more: Any) -> None:
    """Calls until two calls in a row take the same time within 5 %, five times at most."""
    last = once(call, pipe, steps, batch, **more)
    for _ in range(4):
        now = once(call, pipe, steps, batch, **more)
        if abs(now - last) <= 0.05 * last:
            return
        last = now


def ratio(
    one: Callable[[], float], other: Callable[[], float], pairs: int = 4
) -> tuple[float, float, float]:
    """How many times longer `one` takes than `other`; then the median seconds of each.

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
    return math.exp(statistics.fmean(logs)), statistics.median(ones), statistics.median(others)
