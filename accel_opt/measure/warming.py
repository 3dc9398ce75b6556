"""First calls are slow, and are made before anything is timed.

The first call of a pipeline fills caches, loads kernels and lets the clock rise. On CUDA the first
of an accelerator loads kernels of its own, and with `torch.backends.cudnn.benchmark` the first of
every setting tries out algorithms for shapes that were not seen before.
"""

from __future__ import annotations

from collections.abc import Callable

from accel_opt.core.config import Config

STABLE = 0.05
MOST_CALLS = 5


def until_stable(call: Callable[[], float]) -> float:
    """Makes calls until one is no longer faster than the one before by more than 5 %.

    Two calls at least and five at most: a clock that still falls then is noise.

    Args:
        call: Gives its seconds.

    Returns:
        Seconds of the faster of the last two.
    """
    before, seconds = call(), call()
    for _ in range(MOST_CALLS - 2):
        if seconds >= (1 - STABLE) * before:
            break
        before, seconds = seconds, call()
    return min(before, seconds)


class FirstCalls:
    """Which settings need an untimed call before they are timed on a device.

    Args:
        device: Where they run.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._made: set[tuple[str, ...]] = set()

    def due(self, config: Config) -> bool:
        """Whether such a call must come first."""
        return self._device.startswith("cuda") and self._kind(config) not in self._made

    def made(self, config: Config) -> None:
        """Is told that it was made."""
        self._made.add(self._kind(config))

    def _kind(self, config: Config) -> tuple[str, ...]:
        import torch

        return (*config.accelerators, config.key if torch.backends.cudnn.benchmark else "")
