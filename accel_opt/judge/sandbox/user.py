"""A user number of its own for a program, where we are root."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import stat
import sys
from pathlib import Path

from accel_opt.judge.sandbox.policy import Level

# Numbers that distributions leave to services without an entry; one for each program, so that
# two programs cannot reach each other either.
_FIRST, _COUNT = 61_184, 4_000
_numbers = itertools.count(os.getpid())

_MOST_LOOKED_AT = 2000
_PREFIXES = (sys.prefix, sys.base_prefix)

_CHOWN, _SETGID, _SETUID, _SYS_ADMIN = 0, 6, 7, 21


def privileged() -> bool:
    """Whether namespaces can be had without one for users."""
    return os.geteuid() == 0 and _capable(_SYS_ADMIN)


def own_user(level: Level, program: str, folder: Path, shown: list[str]) -> int | None:
    """A user number for the program; None where it must keep ours.

    Args:
        level: The level; with a file tree of its own, folders above the mounts do not matter.
        program: What is started.
        folder: The program's folder.
        shown: Folders that it must be able to read, with what is in them.
    """
    if os.geteuid() != 0 or not all(_capable(c) for c in (_CHOWN, _SETGID, _SETUID)):
        return None
    if not all(_open_below(p) for p in shown):
        return None
    if level.own_view:
        if not privileged() or not all(map(_open_to_all, map(Path, _PREFIXES))):
            return None
    else:
        ways = [Path(program).resolve(), *(Path(p).resolve() for p in shown)]
        above = {p for way in (*ways, folder.resolve() / "x") for p in way.parents}
        above.discard(folder.resolve())
        if not all(_open_to_all(p, stat.S_IXOTH) for p in above) or not _open_to_all(ways[0]):
            return None
    return _FIRST + next(_numbers) % _COUNT


def hand_over(folder: Path, user: int | None) -> None:
    """Makes the folder and all in it the user's, or ours again; nothing unless we are root."""
    if os.geteuid() != 0 or not _capable(_CHOWN):
        return
    user = 0 if user is None else user
    os.chown(folder, user, user)
    for root, folders, files, root_fd in os.fwalk(folder, follow_symlinks=False):
        del root
        for name in (*folders, *files):
            about = os.stat(name, dir_fd=root_fd, follow_symlinks=False)
            # A second name may stand outside, where the owner is to stay.
            if stat.S_ISDIR(about.st_mode) or about.st_nlink == 1:
                os.chown(name, user, user, dir_fd=root_fd, follow_symlinks=False)


def our_tasks() -> int:
    """Processes and threads that run under our user number."""
    count = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if entry.stat().st_uid == os.getuid():
                    count += sum(1 for _ in (entry / "task").iterdir())
    return count


def _capable(number: int) -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> number & 1)
    return False


@functools.cache
def _open_below(folder: str) -> bool:
    """Whether anybody may read what lies there; of a large folder the first files are told."""
    if not _open_to_all(Path(folder)):
        return False
    seen = 0
    for root, folders, files in os.walk(folder):
        for name in (*folders, *files):
            seen += 1
            path = Path(root, name)
            if path.exists() and not path.is_symlink() and not _open_to_all(path):
                return False
        if seen > _MOST_LOOKED_AT:
            break
    return True


def _open_to_all(path: Path, mode: int = stat.S_IROTH) -> bool:
    about = path.stat()
    needed = mode | (stat.S_IXOTH if stat.S_ISDIR(about.st_mode) else 0)
    return about.st_mode & needed == needed
