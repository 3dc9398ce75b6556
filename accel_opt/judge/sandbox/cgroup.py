"""A cgroup (version 2) for one program, where one may be made."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_numbers = itertools.count(1)


class Cgroup:
    """Memory and number of tasks, kept by the kernel.

    Args:
        folder: The group's folder, made by `make`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel ended a process of the group for its memory."""
        with contextlib.suppress(OSError):
            for line in (self.folder / "memory.events").read_text().splitlines():
                if line.startswith("oom_kill ") and int(line.split()[1]):
                    return True
        return False

    def remove(self) -> None:
        """Removes the group; processes that just ended may hold it for a moment."""
        for _ in range(20):
            with contextlib.suppress(OSError):
                self.folder.rmdir()
                return
            time.sleep(0.01)


def make(parent: Path | None, memory: int, tasks: int, root: Path = _ROOT) -> Cgroup | None:
    """A group with these limits; None where none can be made, and the watchdog must do.

    Args:
        parent: A folder delegated to us; None looks at our own group and the one above it.
        memory: Bytes.
        tasks: Processes and threads.
        root: Where the hierarchy is mounted.
    """
    for candidate in [parent] if parent else _candidates(root):
        folder = candidate / f"accel_opt-{os.getpid()}-{next(_numbers)}"
        try:
            if "memory" not in (candidate / "cgroup.subtree_control").read_text().split():
                continue
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / "memory.max").write_text(str(memory))
            with contextlib.suppress(OSError):
                (folder / "memory.swap.max").write_text("0")
            with contextlib.suppress(OSError):
                # The supervisor and the first process of the sandbox are counted too.
                (folder / "pids.max").write_text(str(tasks + 4))
        except OSError:
            Cgroup(folder).remove()
            continue
        return Cgroup(folder)
    return None


def _candidates(root: Path) -> list[Path]:
    # A group with processes in it cannot hand out memory to groups below; but where the service
    # manager has given us the group above, one can be made beside ours.
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                own = root / line[3:].lstrip("/")
                return [own] if own == root else [own, own.parent]
    return []
