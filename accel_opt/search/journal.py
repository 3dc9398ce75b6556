"""The file of a Journal storage: appended to under a lock that dies with its holder.

Optuna's own backend locks by a link, which a killed process leaves behind: everybody then waits
half a minute. And a write that is cut off (a kill, a full disk) leaves half a line, after which
nothing can be appended that is ever read. Here the kernel holds the lock, and half a line, which
nobody was told of, is taken back before the next one is written.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from optuna.storages.journal import JournalFileBackend
from typing_extensions import override

_TAIL = 1 << 16


class JournalFile(JournalFileBackend):
    """Optuna's log of operations, one JSON line each.

    Args:
        path: The file; made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path
        self._gathered = threading.local()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Everything that this thread appends within is written at its end, in one go."""
        self._gathered.logs = []
        try:
            yield
            logs = self._gathered.logs
        finally:
            self._gathered.logs = None
        self.append_logs(logs)

    @override
    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends operations, each whole or not at all.

        Raises:
            OSError: The file cannot be written; the operations before the first that did not
                fit are there.
        """
        gathered = getattr(self._gathered, "logs", None)
        if gathered is not None:
            gathered.extend(logs)
            return
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with self.path.open("r+b", buffering=0) as file:
            # Released by the kernel when the file is closed, and so when the process dies.
            fcntl.flock(file, fcntl.LOCK_EX)
            _end_of_lines(file)
            try:
                _write_all(file, lines.encode())
                os.fsync(file.fileno())
            except BaseException:
                # Whole lines stay: others may have read them already. (A signal's handler may
                # raise here although everything is written.)
                _end_of_lines(file)
                raise


def _end_of_lines(file: BinaryIO) -> int:
    """Goes to where the last whole line ends; half a line after it is cut off."""
    size = file.seek(0, os.SEEK_END)
    end = size
    while end:
        start = max(0, end - _TAIL)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end != size:
        file.truncate(end)
    return file.seek(end)


def _write_all(file: BinaryIO, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]
