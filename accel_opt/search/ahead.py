"""Batches in order, one begun before the last one's scores are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from accel_opt.core.config import Config
from accel_opt.core.measurement import Batch, BatchMeasurement, Evaluate


def in_order(
    evaluate: Evaluate, config: Config, batches: Iterable[Batch]
) -> Iterator[tuple[Batch, BatchMeasurement]]:
    """Measures batches whose results do not decide which of them are measured.

    Args:
        evaluate: Measures one batch; where it has a `begin` that is not None, the next batch is
            drawn and begun before the last one's measurement is waited for.
        config: The setting.
        batches: Drawn one by one, so that they may end when their time is up.

    Raises:
        EvaluationError: A batch could not be measured.
    """
    begin = getattr(evaluate, "begin", None)
    if begin is None:
        for batch in batches:
            yield batch, evaluate(config, batch)
        return
    last = None
    for batch in batches:
        finish = begin(config, batch)
        if last is not None:
            yield last[0], last[1]()
        last = batch, finish
    if last is not None:
        yield last[0], last[1]()
