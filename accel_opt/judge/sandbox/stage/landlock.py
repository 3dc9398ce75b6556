"""Landlock: files by rule, no TCP, no signals to and no abstract sockets of others."""

from __future__ import annotations

import ctypes
import os
import stat

from accel_opt.judge.sandbox.stage import kernel

TYPE_CHECKING = False  # typing itself takes as long to import as all the rest
if TYPE_CHECKING:
    from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE = 1 << 4, 1 << 5
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK = 1 << 6, 1 << 7, 1 << 8, 1 << 9
MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = 1 << 10, 1 << 11, 1 << 12
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

# The rights that each version of the interface knows; asking for an unknown one is an error.
_BY_VERSION = {1: (1 << 13) - 1, 2: REFER, 3: TRUNCATE, 5: IOCTL_DEV}
_OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

READ = EXECUTE | READ_FILE | READ_DIR
USE_DEVICE = READ_FILE | WRITE_FILE | IOCTL_DEV
CHANGE = (
    READ | WRITE_FILE | TRUNCATE | REFER | REMOVE_DIR | REMOVE_FILE
    | MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_SYM
)  # fmt: skip

_NETWORK_VERSION, _TCP = 4, 0b11
_SCOPE_VERSION, _SIGNALS_AND_ABSTRACT_SOCKETS = 6, 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Version of the kernel's interface; 0 where there is none."""
    flag = ctypes.c_uint32(_VERSION_FLAG)
    try:
        return kernel.syscall(
            _CREATE_RULESET, None, ctypes.c_size_t(0), flag, what="landlock version"
        )
    except OSError:
        return 0


def restrict(rules: Iterable[tuple[str, int]], abi: int) -> None:
    """Restricts this process for good, and all it starts.

    Args:
        rules: Paths with the rights on them and on what lies below; missing ones are left out.
        abi: What `version` returned.
    """
    handled = 0
    for since, rights in _BY_VERSION.items():
        handled |= rights if since <= abi else 0
    ruleset = _Ruleset(
        files=handled,
        network=_TCP if abi >= _NETWORK_VERSION else 0,
        scoped=_SIGNALS_AND_ABSTRACT_SOCKETS if abi >= _SCOPE_VERSION else 0,
    )
    size = 8 * (1 if abi < _NETWORK_VERSION else 2 if abi < _SCOPE_VERSION else 3)
    handle = kernel.syscall(
        _CREATE_RULESET,
        ctypes.byref(ruleset),
        ctypes.c_size_t(size),
        ctypes.c_uint32(0),
        what="landlock ruleset",
    )
    try:
        for path, rights in rules:
            _allow(handle, path, rights & handled)
        kernel.syscall(_RESTRICT_SELF, handle, ctypes.c_uint32(0), what="landlock restrict")
    finally:
        os.close(handle)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what does not exist or cannot be reached needs no right
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            rights &= _OF_A_FILE
        rule = _PathBeneath(allowed=rights, parent=parent)
        kernel.syscall(
            _ADD_RULE,
            ruleset,
            ctypes.c_int(_PATH_BENEATH),
            ctypes.byref(rule),
            ctypes.c_uint32(0),
            what=f"landlock rule for {path}",
        )
    finally:
        os.close(parent)
