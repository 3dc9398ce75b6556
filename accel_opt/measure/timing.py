"""Wall-clock time of complete calls, the device synchronised on both sides."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def synchronize(device: str) -> None:
    """Waits until the device has done all that was asked of it; nothing to do on CPUs."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device.startswith("mps"):
        torch.mps.synchronize()


def timed(call: Callable[[], T], device: str) -> tuple[float, T]:
    """Seconds that `call` took, and what it returned."""
    synchronize(device)
    start = time.perf_counter()
    result = call()
    synchronize(device)
    return time.perf_counter() - start, result
