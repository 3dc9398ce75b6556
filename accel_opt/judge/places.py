"""Where programs run: devices, and what each may see and use."""

from __future__ import annotations

import os
from pathlib import Path

from accel_opt.core.errors import InputError
from accel_opt.judge.model import Conditions
from accel_opt.judge.sandbox import Limits, Policy
from accel_opt.judge.sandbox.paths import gpu_devices


def devices_for(jobs: int, device: str | None) -> tuple[str, ...]:
    """One device for each of several workers.

    Args:
        jobs: Programs judged at once.
        device: The one device to use; None takes what there is.

    Raises:
        InputError: There are fewer devices: two programs on one would slow each other down.
    """
    import torch

    from accel_opt.pipelines.devices import check_device, default_device

    if jobs < 1:
        raise InputError(f"jobs={jobs}: at least 1 is needed")
    if jobs == 1:
        return (check_device(device or default_device()),)
    if device is not None:
        raise InputError(f"--jobs {jobs} takes the first GPUs; leave --device {device} out")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if jobs > count:
        raise InputError(
            f"jobs={jobs}: torch sees {count} GPU{'' if count == 1 else 's'} here, and two "
            f"programs on one device would slow each other down; try --jobs {max(count, 1)}"
        )
    return tuple(f"cuda:{number}" for number in range(jobs))


def policy_for(conditions: Conditions, device: str, wall_s: float) -> Policy:
    """What a process may do and see.

    Args:
        conditions: Conditions of the run.
        device: Device of its worker.
        wall_s: Wall-clock limit.
    """
    environment = []
    readable = list(conditions.readable)
    cache = _hub_cache()
    if cache.is_dir():
        readable.append(cache)
        environment.append(("HF_HUB_CACHE", str(cache)))
    on_gpu = device.startswith("cuda")
    if ":" in device and on_gpu:
        environment.append(("CUDA_VISIBLE_DEVICES", _visible(int(device.partition(":")[2]))))
    elif not on_gpu:
        environment.append(("CUDA_VISIBLE_DEVICES", ""))
    return Policy(
        level=conditions.level,
        allow_unsandboxed=conditions.allow_unsandboxed,
        limits=Limits(wall_s=wall_s, memory_mib=conditions.memory_mib, tasks=1024),
        read_only=tuple(readable),
        devices=gpu_devices() if on_gpu else (),
        environment=tuple(environment),
    )


def inner_device(device: str) -> str:
    """What a worker's device is called inside, where it is the only one."""
    return device.partition(":")[0]


def _visible(number: int) -> str:
    outer = os.environ.get("CUDA_VISIBLE_DEVICES")
    return outer.split(",")[number].strip() if outer else str(number)


def _hub_cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)
