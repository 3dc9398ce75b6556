"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from pathlib import Path

from accel_opt.core.errors import InputError

_PREFIX = ".accel_opt-"


def write_atomically(path: Path, text: str) -> None:
    """Replaces `path` by `text` in one step; a crash leaves the old file.

    Args:
        path: File to write; missing folders above it are made.
        text: Whole content, written as UTF-8 with the newlines it has.

    Raises:
        InputError: The folder cannot be written to.
    """
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """As `write_atomically`, for bytes."""
    path = Path(path)
    # A link is followed, so that the file it points to is replaced and the link stays.
    target = path.resolve() if path.is_symlink() else path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_litter(target)
        mode = target.stat().st_mode & 0o777 if target.exists() else None
        prefix = f"{_PREFIX}{target.name}-{os.getpid()}-"
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=prefix)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; choose another folder") from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode if mode is not None else 0o666 & ~_umask())
        Path(temporary).replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; the old file stands") from error
    finally:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()


def remove_litter(path: Path) -> None:
    """Removes temporary files that killed writers of `path` left beside it."""
    for left in path.parent.glob(f"{_PREFIX}{path.name}-*"):
        match = re.match(re.escape(f"{_PREFIX}{path.name}-") + r"(\d+)-", left.name)
        if match and not _alive(int(match.group(1))):
            with contextlib.suppress(OSError):
                left.unlink()


def file_name(text: str, limit: int = 120) -> str:
    """`text` as a file name that no file system refuses and no path escapes from."""
    name = re.sub(r"[^\w.+@=-]+", "-", text, flags=re.UNICODE).strip("-.")
    return name[:limit] or "unnamed"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _umask() -> int:
    value = os.umask(0)
    os.umask(value)
    return value


def _sync_folder(folder: Path) -> None:
    # The rename itself must survive a power loss; not every file system allows the sync.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
