"""What went wrong with an evaluation, as a word and as a sentence."""

from __future__ import annotations

from accel_opt.core.errors import EvaluationError

_LONGEST = 300


def describe(error: BaseException) -> tuple[str, str]:
    """A short word and one line for whatever an evaluator raised."""
    lines = str(error).strip().splitlines()
    text = lines[0][:_LONGEST] if lines else type(error).__name__
    if isinstance(error, EvaluationError):
        return error.reason, text
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
        return "out_of_memory", f"out of memory: {text}"
    return "error", f"{type(error).__name__}: {text}"
