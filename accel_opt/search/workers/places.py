"""Where the workers of one host run: a GPU each, or a share of the processor's threads."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from accel_opt.core.errors import InputError
from accel_opt.search.workers.problem import THREADS


@dataclass(frozen=True)
class Place:
    """One worker's place.

    Attributes:
        name: For people, such as "GPU 0".
        environment: What pins a process to it.
        threads: Its share of the processor; None on a GPU, where that is not what counts.
    """

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    threads: int | None = None


def places(n: int, device: str | None = None, gpus: list[str] | None = None) -> list[Place]:
    """Places for n workers on this host.

    Args:
        n: How many.
        device: What was asked for: "cpu", "cuda", or None for the best there is.
        gpus: GPUs that may be used, as CUDA_VISIBLE_DEVICES names them; None asks torch.

    Raises:
        InputError: There are fewer GPUs than workers, or one device was named for all of them.
    """
    if device is not None and device not in ("cpu", "cuda"):
        raise InputError(
            f"device={device!r} names one device for {n} workers; type --device cuda, or leave "
            "it out, and each gets its own"
        )
    found = [] if device == "cpu" else visible_gpus() if gpus is None else gpus
    if not found:
        if device == "cuda":
            raise InputError("device='cuda': torch sees no GPU here; type --device cpu")
        return _on_processor(n)
    if n > len(found):
        raise InputError(
            f"{n} workers, but this host has {len(found)} GPU{'s' if len(found) > 1 else ''}; two "
            f"on one would time each other: type --workers {len(found)}, or --device cpu"
        )
    return [
        Place(f"GPU {gpu}", {"CUDA_VISIBLE_DEVICES": gpu, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"})
        for gpu in found[:n]
    ]


def visible_gpus() -> list[str]:
    """GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    import torch

    # Counted without starting CUDA: a coordinator that holds a GPU takes memory from its worker.
    count = torch.cuda.device_count()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [part.strip() for part in chosen.split(",")] if chosen else []
    return names[:count] if names else [str(number) for number in range(count)]


def _on_processor(n: int) -> list[Place]:
    cores = len(os.sched_getaffinity(0))
    threads = max(1, cores // n)
    text = str(threads)
    environment = {"OMP_NUM_THREADS": text, "MKL_NUM_THREADS": text, THREADS: text}
    environment["CUDA_VISIBLE_DEVICES"] = ""
    return [Place(f"processor {number}", environment, threads) for number in range(n)]
