"""System calls that Python has no name for."""

from __future__ import annotations

import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long

# The same numbers on every processor that we know; the module signal is slow to import.
SIGHUP, SIGINT, SIGKILL, SIGPIPE, SIGTERM, SIGSTOP, SIGXFSZ = 1, 2, 9, 13, 15, 19, 25
POLITE_SIGNALS = (SIGHUP, SIGINT, SIGTERM)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63


class Passing:
    """Lets the failures of system calls pass: `contextlib.suppress(OSError)`, without its import.

    A ValueError too, which `resource` raises where the kernel says EINVAL.
    """

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, OSError | ValueError)


def on_signal(number: int, *, ignore: bool) -> None:
    """Ignores a signal, or gives it back its default action."""
    LIBC.signal(number, ctypes.c_void_p(1 if ignore else 0))


def _check(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def syscall(number: int, *arguments: object, what: str) -> int:
    """Calls the kernel by number.

    Raises:
        OSError: The kernel refused.
    """
    return _check(int(LIBC.syscall(ctypes.c_long(number), *arguments)), what)


def prctl(option: int, value: int = 0, pointer: object = None, what: str = "prctl") -> None:
    """Changes an attribute of this process; `pointer` where the kernel wants an address."""
    last = ctypes.c_ulong(0) if pointer is None else pointer
    zero = ctypes.c_ulong(0)
    _check(LIBC.prctl(option, ctypes.c_ulong(value), last, zero, zero), what)


def unshare(flags: int) -> None:
    """Leaves the namespaces that `flags` names for new ones."""
    _check(LIBC.unshare(flags), "unshare")


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """Mounts `source`, or a file system of that kind, on `target`."""
    _check(
        LIBC.mount(
            source.encode() if source else None,
            target.encode(),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            data.encode() if data else None,
        ),
        f"mount {target}",
    )


def offer_to_oom_killer() -> None:
    """When the machine runs short of memory, this process and those below it go first."""
    with Passing(), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write("1000")


def bar_capabilities() -> None:
    """Sees to it that no later exec brings capabilities back; those we have stay."""
    for capability in range(_LAST_CAPABILITY + 1):
        if LIBC.prctl(PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break  # past the last one, or we may not; without new privileges it matters little


def drop_capabilities() -> None:
    """Gives up every capability that we have."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(LIBC.capset(header, (ctypes.c_uint32 * 6)()), "capset")
