"""What calls of a pipeline are given besides what the user chose."""

from __future__ import annotations

from inspect import signature
from typing import Any

# Rows of latents for which PixArt's pipelines hold lists of the sizes that they were trained on.
_BINNED = (32, 64, 128)


def own_arguments(pipe: Any) -> dict[str, Any]:
    """Arguments that every call of this pipeline needs, by name."""
    accepted = signature(pipe.__call__).parameters
    # PixArt's cleaning changes the texts, and only where two more packages are installed.
    found: dict[str, Any] = {"clean_caption": False} if "clean_caption" in accepted else {}
    size = getattr(getattr(getattr(pipe, "transformer", None), "config", None), "sample_size", None)
    if "use_resolution_binning" in accepted and size not in _BINNED:
        found["use_resolution_binning"] = False
    return found
