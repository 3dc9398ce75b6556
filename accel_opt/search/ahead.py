"""Batches in order, one begun before the last one's scores are asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress

from accel_opt.core.config import Config
from accel_opt.core.measurement import Batch, BatchMeasurement, Evaluate

Take = Callable[[Batch, BatchMeasurement], None]


def in_order(evaluate: Evaluate, config: Config, batches: Iterable[Batch], take: Take) -> None:
    """Measures batches whose results do not decide which of them are measured.

    Args:
        evaluate: Measures one batch; where it has a `begin` that is not None, the next batch is
            drawn and begun before the last one's measurement is waited for.
        config: The setting.
        batches: Drawn one by one, so that they may end when their time is up.
        take: Given each batch with its measurement, in order.

    Raises:
        EvaluationError: A batch could not be measured.
        InputError: The evaluator's process cannot start.
    """
    begin = getattr(evaluate, "begin", None)
    if not callable(begin):
        for batch in batches:
            take(batch, evaluate(config, batch))
        return
    begun: deque[tuple[Batch, Callable[[], BatchMeasurement]]] = deque()
    try:
        for batch in batches:
            begun.append((batch, begin(config, batch)))
            if len(begun) > 1:
                last, finish = begun.popleft()
                take(last, finish())
        while begun:
            last, finish = begun.popleft()
            take(last, finish())
    except Exception:
        # What happens to a batch that was begun must not be held against the next setting.
        for _, finish in begun:
            with suppress(Exception):
                finish()
        raise
