"""Scoring one batch while the next is generated, where the device has memory for both.

Only calls whose times count for nothing may run beside it: `wait` comes before any that is timed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from typing import Any, TypeVar

from accel_opt.core.errors import OutOfMemoryError
from accel_opt.measure.memory import (
    allocated_mib,
    free,
    has_room,
    is_out_of_memory,
    peak_mib,
    reset_peak,
)

T = TypeVar("T")


class Scorer:
    """Does what follows a generation: at once, or in a thread and a stream of its own.

    The first job is done at once, for what it needs to be known. One that runs out of memory
    beside a generation is done again when that is over, and from then on all wait.

    Args:
        device: Where images are generated and scored.
        beside: Whether there is room for both; None asks a CUDA device, and says no of others:
            on a processor two would share its cores and gain nothing.

    Attributes:
        turn: Held while images are generated, and by a job that needs the device to itself.
    """

    def __init__(self, device: str, *, beside: bool | None = None) -> None:
        self.turn = threading.Lock()
        self._device, self._beside = device, beside
        self._stream: Any = None
        self._thread: ThreadPoolExecutor | None = None
        self._under_way: Future[Any] | None = None
        self._generating_mib = self._scoring_mib = 0.0

    @property
    def may_run_beside(self) -> bool:
        """Whether the device is of a kind that may do both at once, memory permitting."""
        return self._device.startswith("cuda") if self._beside is None else self._beside

    @property
    def busy(self) -> bool:
        """Whether something is being scored right now."""
        return self._under_way is not None and not self._under_way.done()

    def wait(self) -> None:
        """Returns when nothing is being scored any more."""
        if self._under_way is not None:
            wait([self._under_way])

    def generated(self, mib: float | None) -> None:
        """Is told the peak of a generation that had the device to itself."""
        self._generating_mib = max(self._generating_mib, mib or 0.0)

    def stay_alone(self) -> None:
        """Scores nothing beside a generation any more, and waits for what is being scored."""
        self._beside = False
        self.wait()

    def begin(self, job: Callable[[], T]) -> Callable[[], T]:
        """Begins a job.

        Returns:
            Gives the job's result, or raises what it raised, when called; waits for it.

        Raises:
            OutOfMemoryError: It was done at once, and memory was short.
        """
        if not self._room():
            self.wait()
            found = self._alone(job)
            return lambda: found
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "scoring")
        future = self._thread.submit(self._done_beside, job)
        self._under_way = future
        return future.result

    def _room(self) -> bool:
        if self._beside is not None or not self.may_run_beside:
            return bool(self._beside)
        known = self._scoring_mib > 0 and self._generating_mib > 0
        return known and has_room(self._device, self._generating_mib + self._scoring_mib)

    def _alone(self, job: Callable[[], T]) -> T:
        before = allocated_mib(self._device)
        reset_peak(self._device)
        try:
            found = job()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            failure = str(error).partition("\n")[0]
        else:
            self._scoring_mib = max(
                self._scoring_mib, (peak_mib(self._device) or 0.0) - (before or 0.0)
            )
            return found
        free(self._device)
        raise OutOfMemoryError(f"out of memory while scoring: {failure}")

    def _done_beside(self, job: Callable[[], T]) -> T:
        try:
            with self._own_stream():
                return job()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        self._beside = False
        with self.turn:
            free(self._device)
            return self._alone(job)

    def _own_stream(self) -> Any:
        """Kernels of one stream wait for each other; those of two need not."""
        if not self._device.startswith("cuda"):
            return nullcontext()
        import torch

        # One for all jobs: the allocator keeps a pool of memory for every stream.
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        return torch.cuda.stream(self._stream)
