"""On which device a pipeline runs, and in which precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from accel_opt.core.errors import InputError

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "float16", "bfloat16")


def default_device() -> str:
    """The best device there is: "cuda", "mps" or "cpu"."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def device_of(pipe: Any) -> str:
    """Where a pipeline runs: with offloading its parts rest elsewhere, until they are called."""
    return str(getattr(pipe, "_execution_device", pipe.device))


def check_device(name: str) -> str:
    """Returns `name` when this machine has such a device.

    Raises:
        InputError: It has not, or torch knows no such name.
    """
    import torch

    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"device={name!r}: choose cuda, cuda:1, mps or cpu") from None
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            there = f"{count} CUDA device{'' if count == 1 else 's'}" if count else "no CUDA device"
            raise InputError(f"device={name!r}: torch sees {there} here; try {default_device()}")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError(f"device={name!r}: torch sees no MPS here; try {default_device()}")
    return name


def default_dtype(device: str, on_gpu: str = "") -> str:
    """Precision of a model whose user names none.

    Args:
        device: Where it runs.
        on_gpu: What the model's authors run it in on GPUs; "" when nobody said.

    Returns:
        "float32" on CPUs, where half precision is slow or missing; else `on_gpu`; else
        "bfloat16" where the GPU has it, as it cannot overflow, else "float16".
    """
    import torch

    if device.startswith(("cpu", "meta")):
        return "float32"
    if on_gpu:
        return on_gpu
    bfloat16 = device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if bfloat16 else "float16"


def usual_dtype(stated: str, *, unet: bool) -> str:
    """What a model is run in on GPUs: as stated, else float16 for UNets; "" goes by the GPU."""
    return stated or ("float16" if unet else "")


def torch_dtype(name: str | None, device: str) -> torch.dtype:
    """The torch dtype of a name; None means half precision on GPUs, float32 on CPUs.

    Raises:
        InputError: Unknown name.
    """
    import torch

    chosen = default_dtype(device, "float16") if name is None else name
    if chosen not in DTYPES:
        raise InputError(f"dtype={name!r}: choose one of {', '.join(DTYPES)}")
    found: torch.dtype = getattr(torch, chosen)
    return found
