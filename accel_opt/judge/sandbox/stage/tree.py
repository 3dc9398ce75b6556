"""The processes below this one: finding, measuring and ending them."""

from __future__ import annotations

import os
import resource
import stat
import time

from accel_opt.judge.sandbox.stage import kernel

TYPE_CHECKING = False  # typing itself takes as long to import as all the rest
if TYPE_CHECKING:
    from collections.abc import Iterator

_PAGE = os.sysconf("SC_PAGE_SIZE")
_KIB = 1024
_LONGEST_PATH = 3000  # of the 4,096 bytes that the kernel takes


def descendants(root: int | None = None) -> Iterator[tuple[int, list[str]]]:
    """Each process below this one, or below `root`, with the numbers of its threads."""
    root = os.getpid() if root is None else root
    # A process that forks while we look may be missed; the next look finds it.
    waiting = list(_children(root, _threads(root)))
    while waiting:
        pid = waiting.pop()
        threads = _threads(pid)
        yield pid, threads
        waiting += _children(pid, threads)


def _threads(pid: int) -> list[str]:
    try:
        return os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
    except OSError:
        return []


def _children(pid: int, threads: list[str]) -> list[int]:
    found = []
    for thread in threads:
        with kernel.Passing():
            found += [int(n) for n in _read(f"/proc/{pid}/task/{thread}/children").split()]
    return found


def _read(path: str) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, 1 << 16)
    finally:
        os.close(handle)


def memory(pids: list[int], limit: int) -> int:
    """Bytes of memory of the processes together.

    The resident sizes are nearly free to read but count shared pages once for each process. Only
    where they exceed the limit are the proportional ones read, which stops the process a while.
    """
    resident = [_resident(pid) for pid in pids]
    if sum(resident) <= limit:
        return sum(resident)
    return sum(_proportional(pid) for pid in pids)


def _resident(pid: int) -> int:
    try:
        return int(_read(f"/proc/{pid}/statm").split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * _KIB
    except PermissionError:
        return _resident(pid)  # it hides from us, and is taken at the most it can be
    except OSError:
        pass
    return 0  # it has ended while we looked


def unlinked_bytes(pids: list[int]) -> int:
    """Bytes of files without a name, memory files among them, that the processes hold open."""
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        with kernel.Passing():
            for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
                with kernel.Passing():
                    about = os.stat(f"/proc/{pid}/fd/{name}")  # noqa: PTH116
                    if stat.S_ISREG(about.st_mode) and about.st_nlink == 0:
                        found[about.st_dev, about.st_ino] = about.st_blocks * 512
    return sum(found.values())


def folder_size(folder: str, most_files: int) -> tuple[int, int]:
    """Bytes and number of files below a folder; stops counting past `most_files`.

    Folders too deep to be looked into count as too many files.
    """
    total = count = 0
    waiting = [folder]
    while waiting and count <= most_files:
        path = waiting.pop()
        if len(os.fsencode(path)) > _LONGEST_PATH:
            return total, most_files + 1  # so deep that nobody could look what is in it
        with kernel.Passing(), os.scandir(path) as entries:
            for entry in entries:
                count += 1
                if count > most_files:
                    break
                with kernel.Passing():
                    about = entry.stat(follow_symlinks=False)
                    total += about.st_blocks * 512
                    if stat.S_ISDIR(about.st_mode):
                        waiting.append(entry.path)
    return total, count


def end_all(deadline: float) -> int:
    """Ends every process below this one, which must be the reaper of orphans.

    Returns:
        How many were left at `deadline` (`time.monotonic`).
    """
    _stop_all()
    while True:
        for pid, _ in descendants():
            _signal(pid, kernel.SIGKILL)
        if _reap():
            return 0
        if time.monotonic() > deadline:
            return sum(1 for _ in descendants())
        time.sleep(0.002)


def _stop_all() -> None:
    # Stopped processes do not fork: the killing that follows then meets a tree at rest.
    seen: set[int] = set()
    for _ in range(50):
        new = [pid for pid, _ in descendants() if pid not in seen]
        if not new:
            return
        for pid in new:
            with kernel.Passing():
                resource.prlimit(pid, resource.RLIMIT_NPROC, (0, 0))
            _signal(pid, kernel.SIGSTOP)
        seen.update(new)


def _signal(pid: int, number: int) -> None:
    with kernel.Passing():
        os.kill(pid, number)


def _reap() -> bool:
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == 0:
            return False
