"""Whether a model's weights are on this machine, told from the names of its files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

# As diffusers and transformers name them. Variants ("model.fp16.safetensors") do not count: they
# are read only when asked for.
STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")
_SUFFIXES = (".safetensors", ".bin")


def snapshot_of(source: str, kind: Literal["model", "dataset"] = "model") -> Path | None:
    """The folder of the hub's cache that stands for a repository's main branch.

    Args:
        source: Hub id.
        kind: What the repository holds.

    Returns:
        The folder, in which any file may be lacking; None when nothing was ever fetched.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(source, repo_type=kind, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def has_weights(folder: Path, stems: Iterable[str] = STEMS) -> bool:
    """Whether a folder holds the weights of one network: one file, or every shard.

    Args:
        folder: Where they would be.
        stems: Names without suffix that its readers look for.
    """
    names = [f"{stem}{suffix}" for stem in stems for suffix in _SUFFIXES]
    return any((folder / name).is_file() or _has_shards(folder, name) for name in names)


def _has_shards(folder: Path, name: str) -> bool:
    try:
        text = (folder / f"{name}.index.json").read_text(encoding="utf-8")
        shards = set(json.loads(text)["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return bool(shards) and all((folder / str(shard)).is_file() for shard in shards)
