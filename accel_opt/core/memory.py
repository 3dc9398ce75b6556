"""What a device's memory says: peaks, room, and that there was not enough."""

from __future__ import annotations

# Fragments, and what other processes of the device may ask for meanwhile.
_SPARE = 0.1


# What backends say of it in a RuntimeError without a type of its own.
_SHORT = (
    "out of memory",  # CUDA's driver, MPS
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "can't allocate memory",  # the processor's allocator
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, the device's or the machine's, was short."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _SHORT)


def short_text(error: BaseException) -> str:
    """What such an error says, in one line."""
    return str(error).partition("\n")[0] or type(error).__name__


def free(device: str) -> None:
    """Gives back what nothing holds any more."""
    import gc

    import torch

    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()


def reset_peak(device: str) -> None:
    """Begins a new peak."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def peak_mib(device: str) -> float | None:
    """Most memory allocated since the last reset; None where the device does not tell."""
    if not device.startswith("cuda"):
        return None
    import torch

    return float(torch.cuda.max_memory_allocated(device)) / 2**20


def allocated_mib(device: str) -> float | None:
    """Memory allocated now; None where the device does not tell."""
    if not device.startswith("cuda"):
        return None
    import torch

    return float(torch.cuda.memory_allocated(device)) / 2**20


def has_room(device: str, mib: float) -> bool:
    """Whether this process may have so much allocated at once, with something to spare."""
    import torch

    unused, _ = torch.cuda.mem_get_info(device)
    ours = torch.cuda.memory_reserved(device)
    return mib <= (1 - _SPARE) * (unused + ours) / 2**20
