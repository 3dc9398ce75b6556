"""How a pipeline whose weights are random says so: speed may be measured on it, quality not."""

from __future__ import annotations

from typing import Any

_MARK = "accel_opt_weights"


def mark_random_weights(pipe: Any) -> None:
    """Notes on a pipeline that its weights were drawn, not trained."""
    setattr(pipe, _MARK, "random")


def has_random_weights(pipe: Any) -> bool:
    """Whether a pipeline's weights were drawn, not trained: its images mean nothing."""
    return getattr(pipe, _MARK, None) == "random"
