"""The plain pipeline with other than its usual number of steps, measured as a setting is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from accel_opt.core.config import Config
from accel_opt.core.measurement import Batch, BatchMeasurement, Begin
from accel_opt.measure.generation import Way
from accel_opt.measure.runner import PipelineEvaluator


class FewerSteps:
    """An `Evaluate` that leaves its setting aside.

    Args:
        evaluator: Of the pipeline, which is left as it was.
        steps: Steps instead of the usual ones.
    """

    def __init__(self, evaluator: PipelineEvaluator, steps: int) -> None:
        @contextmanager
        def plain(pipe: Any) -> Iterator[Callable[..., Any]]:
            yield lambda **arguments: pipe(**arguments | {"num_inference_steps": steps})

        self._evaluator, self._way = evaluator, Way(f"steps{steps}", plain)

    def __call__(self, config: Config, batch: Batch) -> BatchMeasurement:
        """Measures the steps on `batch`; raises what a setting's measurement raises."""
        del config
        return self._evaluator.measure(batch, self._way)

    @property
    def begin(self) -> Begin | None:
        """See `Evaluate`."""
        if not self._evaluator.scores_beside:
            return None
        return lambda _, batch: self._evaluator.begin_measuring(batch, self._way)
