"""Which CLIP a name means, and which package reads it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from accel_opt.core.errors import InputError
from accel_opt.core.weight_files import has_weights, snapshot_of

PREFIX = "open_clip:"
# The pair that scores were always taken with, and the same checkpoint as transformers has it.
OPEN_CLIP_DEFAULT = "open_clip:ViT-g-14/laion2b_s34b_b88k"
TRANSFORMERS_DEFAULT = "laion/CLIP-ViT-g-14-laion2B-s34B-b88K"
# One repository holds the weights twice: as open_clip names them, and as transformers does.
OPEN_CLIP_STEMS = ("open_clip_model", "open_clip_pytorch_model")
TRANSFORMERS_STEMS = ("model", "pytorch_model")


@dataclass(frozen=True)
class Checkpoint:
    """A CLIP to load.

    Attributes:
        package: The package that reads it.
        model: Name in open_clip, hub id, or folder.
        pretrained: Tag or file of open_clip; "" for folders and transformers.
    """

    package: Literal["open_clip", "transformers"]
    model: str
    pretrained: str = ""

    @property
    def label(self) -> str:
        """The checkpoint as it is named beside numbers."""
        if self.package == "open_clip":
            tag = Path(self.pretrained).name if _is_file(self.pretrained) else self.pretrained
            return f"open_clip {self.model}{', ' + tag if tag else ''}"
        embedded = self.model.endswith("weights/clip")
        return f"transformers CLIPModel, {'the embedded CLIP' if embedded else self.model}"


def find_checkpoint(name: str) -> Checkpoint:
    """The checkpoint that a name means.

    Args:
        name: "open_clip:MODEL/PRETRAINED", where PRETRAINED is one of open_clip's tags or a
            file; a folder that either package saved; a hub id of a transformers CLIPModel; or
            the default's hub id, which open_clip reads where it is installed.

    Raises:
        InputError: Half a pair, or a folder without a checkpoint.
    """
    if name == TRANSFORMERS_DEFAULT and open_clip_installed():
        return find_checkpoint(OPEN_CLIP_DEFAULT)
    if name.startswith(PREFIX):
        rest = name.removeprefix(PREFIX)
        if Path(rest).is_dir():
            return Checkpoint("open_clip", rest)
        model, _, pretrained = rest.partition("/")
        if not model or not pretrained:
            raise InputError(f"{name!r}: write {PREFIX}MODEL/PRETRAINED, as {OPEN_CLIP_DEFAULT}")
        return Checkpoint("open_clip", model, pretrained)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return Checkpoint("transformers", name)
    if (folder / "config.json").is_file():
        return Checkpoint("transformers", str(folder))
    if (folder / "open_clip_config.json").is_file():
        return Checkpoint("open_clip", str(folder))
    raise InputError(
        f"{name} holds neither config.json (transformers) nor open_clip_config.json; "
        "give the folder of a CLIP checkpoint"
    )


def default_is_cached() -> bool:
    """Whether the default's weights are in the hub's cache, for the package that reads them."""
    folder = snapshot_of(TRANSFORMERS_DEFAULT)
    stems = OPEN_CLIP_STEMS if open_clip_installed() else TRANSFORMERS_STEMS
    return folder is not None and has_weights(folder, stems)


def open_clip_installed() -> bool:
    """Whether open_clip and the torchvision it imports are there; neither is imported."""
    return all(find_spec(package) is not None for package in ("open_clip", "torchvision"))


def _is_file(text: str) -> bool:
    return bool(text) and Path(text).is_file()
