"""Which pipelines a score means anything of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from accel_opt.core.errors import InputError
from accel_opt.core.weights import has_random_weights


def check_scorable(pipe: Any, metrics: Iterable[str]) -> None:
    """Refuses to score pictures of a pipeline with random weights.

    Args:
        pipe: A diffusers pipeline.
        metrics: Names of the metrics that would score its images; none is always fine.

    Raises:
        InputError: The weights are random, and a metric is asked for.
    """
    names = ", ".join(metrics)
    if names and has_random_weights(pipe):
        raise InputError(
            f"weights=random: {names} would score noise, so quality is refused; speed, memory "
            "and FLOPs can be measured without metrics"
        )
