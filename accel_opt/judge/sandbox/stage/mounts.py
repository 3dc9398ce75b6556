"""Builds a file tree from nothing: only what the plan names is in it."""

from __future__ import annotations

import ctypes
import os
import stat

from accel_opt.judge.sandbox.stage import kernel, plan

_NOSUID, _NODEV, _NOEXEC = 2, 4, 8
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18
_DETACH = 2

_MOUNT_SETATTR = 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_ATTR_RDONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4

_BASE, _OLD, _NEW = "/tmp", "/oldroot", "/newroot"  # noqa: S108 - covered by a tmpfs of our own


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns", ctypes.c_uint64),
    )


def build(spec: plan.Plan) -> None:
    """Makes the tree and moves this process into it; needs a mount namespace of its own."""
    kernel.mount(None, "/", None, _REC | _PRIVATE)
    kernel.mount("tmpfs", _BASE, "tmpfs", _NOSUID | _NODEV, "mode=0755")
    for folder in (_OLD, _NEW):
        os.mkdir(_BASE + folder)  # noqa: PTH102
    _pivot(_BASE, _BASE + _OLD)
    kernel.mount("tmpfs", _NEW, "tmpfs", _NOSUID | _NODEV, "mode=0755")
    _devices()
    os.mkdir(f"{_NEW}/proc")  # noqa: PTH102
    kernel.mount("proc", f"{_NEW}/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    _cover_machine_settings()
    for mount in spec["mounts"]:
        _add(*mount)
    _set(f"{_NEW}/dev", _ATTR_RDONLY)
    _set(_NEW, _ATTR_RDONLY)
    _unmount(_OLD)
    os.chdir(_NEW)
    # The new root over the old one, which is then taken away from under it.
    _pivot(".", ".")
    _unmount(".")
    os.chdir("/")


def _add(kind: str, path: str, word: str) -> None:
    target = _NEW + path
    if kind == plan.LINK:
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.symlink(word, target)  # noqa: PTH211
    elif kind == plan.TMPFS:
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
        kernel.mount("tmpfs", target, "tmpfs", _NOSUID | _NODEV, f"mode=1777,size={word}")
    else:
        _bind(path)
        attributes = {
            plan.READ_ONLY: _ATTR_RDONLY | _ATTR_NOSUID | _ATTR_NODEV,
            plan.WRITABLE: _ATTR_NOSUID | _ATTR_NODEV,
            plan.DEVICE: _ATTR_NOSUID,
        }
        _set(target, attributes[kind], _AT_RECURSIVE)


def _devices() -> None:
    os.mkdir(f"{_NEW}/dev")  # noqa: PTH102
    kernel.mount("tmpfs", f"{_NEW}/dev", "tmpfs", _NOSUID, "mode=0755")
    for name in plan.BASIC_DEVICES:
        _bind(f"/dev/{name}")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{_NEW}/dev/{name}")  # noqa: PTH211
    os.symlink("/proc/self/fd", f"{_NEW}/dev/fd")  # noqa: PTH211
    os.mkdir(f"{_NEW}/dev/shm")  # noqa: PTH102, S108


def _cover_machine_settings() -> None:
    for setting in plan.MACHINE_SETTINGS:
        path = _NEW + setting
        if os.path.exists(path):  # noqa: PTH110
            kernel.mount(path, path, None, _BIND | _REC)
            _set(path, _ATTR_RDONLY, _AT_RECURSIVE)


def _bind(path: str) -> None:
    source, target = _OLD + path, _NEW + path  # paths come without symbolic links
    if stat.S_ISDIR(os.stat(source).st_mode):  # noqa: PTH116
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    elif not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    kernel.mount(source, target, None, _BIND | _REC)


def _set(path: str, attributes: int, flags: int = 0) -> None:
    value = _Attributes(set=attributes)
    kernel.syscall(
        _MOUNT_SETATTR,
        ctypes.c_int(_AT_FDCWD),
        path.encode(),
        ctypes.c_uint(flags),
        ctypes.byref(value),
        ctypes.c_size_t(ctypes.sizeof(value)),
        what=f"mount_setattr {path}",
    )


def _pivot(new: str, old: str) -> None:
    kernel.syscall(
        _PIVOT_ROOT[os.uname().machine], new.encode(), old.encode(), what=f"pivot_root {new}"
    )


def _unmount(path: str) -> None:
    if kernel.LIBC.umount2(path.encode(), _DETACH) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"umount {path}")
