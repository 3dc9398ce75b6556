"""Opening image files that a program left: nothing in them is believed before it is checked."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel_opt.core.errors import EvaluationError

if TYPE_CHECKING:
    import numpy as np

_SAMPLE_TYPES = ("|u1", "<f2", "<f4")


class OutputInvalidError(EvaluationError):
    """A file that a program left is not what it should be."""

    reason = "output_invalid"


@dataclass(frozen=True)
class ImageLimits:
    """Limits on the images of one answer.

    Attributes:
        count: Most files.
        file_bytes: Largest file.
        pixels: Most pixels of one image.
    """

    count: int = 64
    file_bytes: int = 64 << 20
    pixels: int = 4096 * 4096


def read_images(
    folder: Path, names: Sequence[str], limits: ImageLimits | None = None
) -> list[np.ndarray[Any, Any]]:
    """Reads images by name from a program's folder.

    Args:
        folder: The program's folder.
        names: Plain file names, ending in .png or .npy, as the program gave them.
        limits: What is too much.

    Returns:
        Arrays of shape (H, W, 3): uint8 from PNG; uint8, or float32 as stored, from NPY.

    Raises:
        OutputInvalidError: A name leads elsewhere, or a file is not such an image.
    """
    limits = limits or ImageLimits()
    if len(names) > limits.count:
        raise OutputInvalidError(f"{len(names)} images; at most {limits.count} are read")
    return [_decode(name, read_file(folder, name, limits.file_bytes), limits) for name in names]


def read_file(folder: Path, name: str, most_bytes: int) -> bytes:
    """Reads one regular file that lies directly in a program's folder.

    Raises:
        OutputInvalidError: It is a link, a pipe, a device, too large, or does not exist.
    """
    if not isinstance(name, str) or name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise OutputInvalidError(f"{name!r} is not a plain file name")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        directory = os.open(folder, flags | os.O_DIRECTORY)
        try:
            # Not to wait for the other end of a pipe, nor to take a terminal as ours.
            handle = os.open(name, flags | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=directory)
        finally:
            os.close(directory)
        with os.fdopen(handle, "rb") as file:
            about = os.fstat(handle)
            # A second name may be that of somebody else's file.
            if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
                raise OutputInvalidError(f"{name} is no regular file of its own")
            content = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        raise OutputInvalidError(f"{name} cannot be read: {error}") from error
    if len(content) > most_bytes:
        raise OutputInvalidError(f"{name} is larger than {most_bytes} bytes")
    return content


def _decode(name: str, content: bytes, limits: ImageLimits) -> np.ndarray[Any, Any]:
    if name.endswith(".png"):
        return _png(name, content, limits)
    if name.endswith(".npy"):
        return _npy(name, content, limits)
    raise OutputInvalidError(f"{name} is neither .png nor .npy")


def _png(name: str, content: bytes, limits: ImageLimits) -> np.ndarray[Any, Any]:
    import warnings

    import numpy as np
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Pillow's own limit is only a warning; ours comes before any decoding.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
                _check_size(name, image.width, image.height, limits)
                return np.asarray(image.convert("RGB"))
    except OutputInvalidError:
        raise
    except Exception as error:
        # Decoders fail in many ways on broken files; each means the same here.
        raise OutputInvalidError(f"{name} is no PNG image: {error}") from error


def _npy(name: str, content: bytes, limits: ImageLimits) -> np.ndarray[Any, Any]:
    import numpy as np

    file = io.BytesIO(content)
    try:
        # Version 1.0 is what `np.save` writes; a later one fails here.
        np.lib.format.read_magic(file)
        shape, fortran, kind = np.lib.format.read_array_header_1_0(file, max_header_size=1000)
    except Exception as error:
        raise OutputInvalidError(f"{name} is no NPY array: {error}") from error
    # Never `np.load`: it would take memory for what the header claims before it looks.
    if fortran or kind.str not in _SAMPLE_TYPES:
        raise OutputInvalidError(f"{name} holds {kind}; uint8, float16 or float32 are read")
    if len(shape) != 3 or shape[2] != 3 or not all(isinstance(n, int) for n in shape):
        raise OutputInvalidError(f"{name} has shape {shape}; (height, width, 3) is read")
    _check_size(name, shape[1], shape[0], limits)
    samples = content[file.tell() :]
    if len(samples) != shape[0] * shape[1] * 3 * kind.itemsize:
        raise OutputInvalidError(f"{name} holds {len(samples)} bytes for shape {shape}")
    found = np.frombuffer(samples, dtype=kind).reshape(shape)
    if kind.kind != "f":
        return found
    if not np.isfinite(found).all():
        raise OutputInvalidError(f"{name} holds values that are not finite")
    return found.astype(np.float32)


def _check_size(name: str, width: int, height: int, limits: ImageLimits) -> None:
    if width < 1 or height < 1 or width * height > limits.pixels:
        raise OutputInvalidError(f"{name} has {width} x {height} pixels; limit {limits.pixels}")
