"""Scoring one batch while the next is generated, where the device has memory for both.

Only calls whose times count for nothing may run beside it: `wait` comes before any that is timed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any, TypeVar

from accel_opt.core.errors import OutOfMemoryError
from accel_opt.core.memory import (
    allocated_mib,
    free,
    has_room,
    is_out_of_memory,
    peak_mib,
    reset_peak,
    short_text,
)

T = TypeVar("T")


class Scorer:
    """Does what follows a generation: at once, or in a thread and a stream of its own.

    What scoring needs is known from jobs that were done at once, what generating needs from
    calls that were alone. A job that runs out of memory beside a generation is done again when
    that is over, and from then on none runs beside one.

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
        """Returns when nothing is being scored any more, whether it went well or not."""
        if self._under_way is not None:
            self._under_way.exception()
            self._under_way = None

    def generated(self, mib: float | None) -> None:
        """Is told the peak of a generation that had the device to itself."""
        self._generating_mib = max(self._generating_mib, mib or 0.0)

    def stay_alone(self) -> None:
        """Scores nothing beside a generation any more."""
        self._beside = False

    def now(self, job: Callable[[], T]) -> T:
        """Does a job at once, and learns what it needs.

        Raises:
            OutOfMemoryError: The device has too little memory; it has been freed.
            Exception: Whatever else the job raises.
        """
        self.wait()
        before = allocated_mib(self._device)
        reset_peak(self._device)
        try:
            found = job()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            failure = short_text(error)
        else:
            needed = (peak_mib(self._device) or 0.0) - (before or 0.0)
            self._scoring_mib = max(self._scoring_mib, needed)
            return found
        free(self._device)
        raise OutOfMemoryError(f"out of memory while scoring: {failure}")

    def begin(self, job: Callable[[], T]) -> Callable[[], T]:
        """Begins a job, beside whatever is generated next if there is room; else does it at once.

        Returns:
            Gives the job's result, or raises what it raised, when called; waits for it.

        Raises:
            Exception: As of `now`, where it was done at once.
        """
        self.wait()
        if not self._has_room():
            found = self.now(job)
            return lambda: found
        self._under_way = future = Future[T]()
        # A daemon, so that nobody who interrupts a program waits for scores.
        arguments = (job, future, _thread_state(self._device))
        threading.Thread(target=self._done_beside, args=arguments, daemon=True).start()
        return future.result

    def _has_room(self) -> bool:
        if self._beside is not None or not self.may_run_beside:
            return bool(self._beside)
        known = self._scoring_mib > 0 and self._generating_mib > 0
        return known and has_room(self._device, self._generating_mib + self._scoring_mib)

    def _done_beside(
        self, job: Callable[[], T], future: Future[T], state: Callable[[], ExitStack]
    ) -> None:
        try:
            try:
                with state(), self._own_stream():
                    found = job()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            else:
                future.set_result(found)
                return
            # The except block is left first: its traceback would keep the tensors alive.
            self.stay_alone()
            with self.turn, state():
                free(self._device)
                future.set_result(job())
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            if is_out_of_memory(error):
                text = short_text(error)
                error = OutOfMemoryError(f"out of memory while scoring: {text}")
            future.set_exception(error)

    def _own_stream(self) -> Any:
        """Kernels of one stream wait for each other; those of two need not."""
        if not self._device.startswith("cuda"):
            return ExitStack()
        import torch

        # One for all jobs: the allocator keeps a pool of memory for every stream.
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        return torch.cuda.stream(self._stream)


def _thread_state(device: str) -> Callable[[], ExitStack]:
    """What torch keeps for each thread, to be entered in another one."""
    import torch

    kind = device.partition(":")[0]
    gradients, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    autocast, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)

    def entered() -> ExitStack:
        stack = ExitStack()
        stack.enter_context(torch.inference_mode(inference))
        stack.enter_context(torch.set_grad_enabled(gradients))
        stack.enter_context(torch.autocast(kind, dtype, enabled=autocast))
        return stack

    return entered
