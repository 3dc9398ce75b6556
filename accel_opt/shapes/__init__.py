"""The embedded models: small trained text-to-image pipelines, their scorer, their captions.

`shapes` is a StableDiffusionPipeline, `shapes-dit` a PixArtAlphaPipeline on the same world.

Only data and where it lies; `studies/shapes` holds what drew, trained and exported it.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = [
    "CAPTIONS_FILE",
    "NAMES",
    "REFERENCES_FILE",
    "about",
    "captions",
    "clip_folder",
    "heldout_captions",
    "model_name",
    "pipeline_folder",
    "shared_parts",
]

_HERE = Path(__file__).resolve().parent
_N_HELD_OUT = 320  # the first lines of the file of captions

_FOLDERS = {
    "shapes": _HERE / "weights" / "pipeline",
    "shapes-dit": _HERE / "weights" / "dit",
}
NAMES = tuple(_FOLDERS)

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


def pipeline_folder(name: str = "shapes") -> Path:
    """A pipeline as `save_pretrained` writes it, in float16.

    Raises:
        KeyError: No embedded model of this name.
    """
    return _FOLDERS[name]


def model_name(folder: str | Path) -> str | None:
    """The embedded model that lies in a folder; None when none does."""
    path = Path(folder)
    return next((name for name, known in _FOLDERS.items() if path == known), None)


def shared_parts(folder: str | Path) -> dict[str, Path]:
    """Folders of the parts that an embedded pipeline has from the other one, by part."""
    shares = Path(folder) == _FOLDERS["shapes-dit"]
    return {"vae": _FOLDERS["shapes"] / "vae"} if shares else {}


def clip_folder() -> Path:
    """A CLIPModel and its CLIPProcessor as `save_pretrained` writes them, in float16."""
    return _HERE / "weights" / "clip"


def about() -> dict[str, Any]:
    """How the models were trained, and the guidance and size (pixels) they are meant for."""
    text = (_HERE / "weights" / "about.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
