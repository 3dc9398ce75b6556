"""Where a number was measured: machine, versions."""

from __future__ import annotations

import os
import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "accel_opt",
    "torch",
    "diffusers",
    "transformers",
    "optuna",
    "DeepCache",
    "tomesd",
    "tgate",
)
# Versions that change what is measured; a study is not continued across them.
MEASURING = ("torch", "diffusers", "transformers")


def package_version(name: str) -> str | None:
    """Version of an installed distribution; None when it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def versions(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Versions of those distributions that are installed."""
    found = {name: package_version(name) for name in names}
    return {name: text for name, text in found.items() if text is not None}


@lru_cache(maxsize=1)
def processor() -> str:
    """Name and number of the processors, such as "AMD EPYC, 2 cores"."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{' '.join(name.split())}, {cores} core{'' if cores == 1 else 's'}"


def machine(device: str) -> str:
    """What the numbers of `device` depend on: the GPU's name, or the processor.

    Only asks torch when the device is a GPU, so that the command line stays light.
    """
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name(device))
    return processor()


def backends(device: str) -> dict[str, str]:
    """What torch was told of a GPU's kernels, where it changes how fast they are; else empty.

    Returns:
        `cudnn.benchmark` ("on" or "off") and `matmul precision` ("highest", "high", "medium" or
        "tf32": whether 32-bit products are made in TF32).
    """
    if not device.startswith("cuda"):
        return {}
    import torch

    try:
        precision = torch.get_float32_matmul_precision()
    except RuntimeError:  # set by the newer of torch's two ways, which bars the older one
        precision = str(torch.backends.cuda.matmul.fp32_precision)
    return {
        "cudnn.benchmark": "on" if torch.backends.cudnn.benchmark else "off",
        "matmul precision": precision,
    }
