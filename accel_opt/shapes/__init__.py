"""The embedded model `shapes`: a small trained text-to-image pipeline, its scorer, its captions.

Only data and where it lies; `studies/shapes` holds what drew, trained and exported it.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = [
    "CAPTIONS_FILE",
    "REFERENCES_FILE",
    "about",
    "captions",
    "clip_folder",
    "heldout_captions",
    "pipeline_folder",
]

_HERE = Path(__file__).resolve().parent
_N_HELD_OUT = 320  # the first lines of the file of captions

CAPTIONS_FILE = _HERE / "captions.txt"
# Fewer steps and guidance cut-offs of the embedded model, measured once by studies/shapes.
REFERENCES_FILE = _HERE / "references.json"


@cache
def captions() -> tuple[str, ...]:
    """All captions of the file, distinct, in its order: held-out ones first, then trained ones."""
    return tuple(CAPTIONS_FILE.read_text(encoding="utf-8").splitlines())


def heldout_captions() -> tuple[str, ...]:
    """The captions that neither the pipeline nor the scorer was trained on."""
    return captions()[:_N_HELD_OUT]


def pipeline_folder() -> Path:
    """A StableDiffusionPipeline as `save_pretrained` writes it, in float16."""
    return _HERE / "weights" / "pipeline"


def clip_folder() -> Path:
    """A CLIPModel and its CLIPProcessor as `save_pretrained` writes them, in float16."""
    return _HERE / "weights" / "clip"


def about() -> dict[str, Any]:
    """How the models were trained, and the guidance and size (pixels) they are meant for."""
    text = (_HERE / "weights" / "about.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
