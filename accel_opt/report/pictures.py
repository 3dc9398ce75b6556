"""Small copies of sample images, made anew so that nothing of a foreign file gets into a page."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Bytes that all pictures of a page may take together, before base64 adds a third.
BUDGET = 900_000
_TRIES = ((256, 84), (256, 72), (208, 68), (160, 62), (128, 50), (96, 40))
# A page shows tiny images enlarged, and the traces of compression with them.
_TINY, _FINE = 96, 95
_MOST_PIXELS = 40_000_000
_MOST_WORDS = 400


@dataclass(frozen=True)
class Thumbnail:
    """A picture inside a page.

    Attributes:
        uri: `data:` address.
        width: Pixels.
        height: Pixels.
        prompt: What it was made from, where the file says so.
    """

    uri: str
    width: int
    height: int
    prompt: str


def thumbnails(paths: Iterable[Path], budget: int = BUDGET) -> dict[Path, Thumbnail]:
    """Thumbnails by path; a file that is no image has none.

    Args:
        paths: Image files.
        budget: Bytes that they may take together; the more there are, the smaller they get.
    """
    opened = {}
    for path in dict.fromkeys(paths):
        found = _open(path)
        if found is not None:
            opened[path] = found
    made: dict[Path, Thumbnail] = {}
    for width, quality in _TRIES:
        encoded = {path: _encoded(image, width, quality) for path, (image, _) in opened.items()}
        made = {
            path: Thumbnail(_uri(content), *size, opened[path][1])
            for path, (content, size) in encoded.items()
        }
        if sum(len(content) for content, _ in encoded.values()) <= budget:
            break
    return made


def _open(path: Path) -> tuple[Any, str] | None:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=("PNG", "JPEG", "WEBP"))
            if image.width * image.height > _MOST_PIXELS:
                return None
            small = image.convert("RGB")
            small.thumbnail((_TRIES[0][0], _TRIES[0][0]))
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    prompt = image.info.get("prompt", "")
    return small, str(prompt)[:_MOST_WORDS]


def _encoded(image: Any, width: int, quality: int) -> tuple[bytes, tuple[int, int]]:
    small = image.copy()
    small.thumbnail((width, width))
    file = io.BytesIO()
    if max(small.size) <= _TINY:
        quality = _FINE
    small.save(file, "JPEG", quality=quality, optimize=True)
    return file.getvalue(), small.size


def _uri(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"
