"""Finding processes whose supervisor was killed, by a mark in their environment.

Only at levels without process numbers of their own, and only for programs that leave their
environment alone: a last broom, not a wall.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from pathlib import Path

_VARIABLE = "ACCEL_OPT_SANDBOX"


def new_mark() -> str:
    """A mark that no other sandbox has."""
    return secrets.token_hex(8)


def variable(mark: str) -> dict[str, str]:
    """The variable that marks a program's processes."""
    return {_VARIABLE: mark}


def end_marked(mark: str, patience_s: float = 0.5) -> int:
    """Kills every process with the mark; returns how many were still there at the end."""
    deadline = time.monotonic() + patience_s
    while found := _marked(mark):
        if time.monotonic() > deadline:
            return len(found)
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    return 0


def _marked(mark: str) -> list[int]:
    needle = f"{_VARIABLE}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if needle in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found
