"""What other packages print while something is loaded: off where it helps nobody."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module


@contextmanager
def loading_quietly(*packages: str) -> Iterator[None]:
    """Hides the bars that packages draw while they read local files; then all is as before.

    Bars of downloads stay, as those can take an hour. So do warnings but one: transformers
    advises to install torchvision, whose wheels break it beside a CPU-only torch.

    Args:
        packages: "diffusers", "transformers".
    """
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    downloads = disable_progress_bars if are_progress_bars_disabled() else enable_progress_bars
    loggings = [import_module(f"{package}.utils.logging") for package in packages]
    drawing = [library for library in loggings if library.is_progress_bar_enabled()]
    for library in drawing:
        library.disable_progress_bar()
    # Transformers switches those of downloads along with its own.
    downloads()
    importer = logging.getLogger("transformers.utils.import_utils")
    importer.addFilter(_no_bad_advice)
    try:
        yield
    finally:
        importer.removeFilter(_no_bad_advice)
        for library in drawing:
            library.enable_progress_bar()
        downloads()


def _no_bad_advice(record: logging.LogRecord) -> bool:
    return "requires torchvision (not installed)" not in record.getMessage()
