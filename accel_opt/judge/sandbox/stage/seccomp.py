"""A filter of system calls: no sockets but local ones, no namespaces, nothing of other processes.

A list of what is refused, not of what is allowed: torch and GPU drivers use too much of the
kernel for the latter. The walls are the namespaces and Landlock; this takes away tools.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from accel_opt.judge.sandbox.stage import kernel

# name: number on x86_64, number on aarch64 (None: does not exist there).
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "setpriority": (141, 140), "sched_setscheduler": (144, 119), "sched_setparam": (142, 118),
    "sched_setattr": (314, 274), "ioprio_set": (251, 30), "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # namespaces and mounts
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "quotactl": (179, 60),
    # keys, memory that outlives its process (nobody counts it), ways around this filter
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "shmget": (29, 194), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # the kernel itself
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "fanotify_init": (300, 262), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "adjtimex": (159, 171), "syslog": (103, 116), "iopl": (172, None), "ioperm": (173, None),
    "modify_ldt": (154, None),
}  # fmt: skip
# Changes that Landlock does not hold: modes, owners, times, attributes. Refused where a program
# has no file tree of its own; elsewhere read-only mounts hold them.
_ATTRIBUTES: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "removexattrat": (466, 466), "file_setattr": (469, 469), "utime": (132, None),
    "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
}  # fmt: skip
_CLONE, _CLONE3, _SOCKET, _PRLIMIT = (56, 220), (435, 435), (41, 198), (302, 261)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_NEW_NAMESPACES = (
    kernel.CLONE_NEWNS | kernel.CLONE_NEWCGROUP | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET
)  # fmt: skip
_AF_UNIX = 1
_X32 = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENT_0 = 0, 4, 16
_MODE_FILTER = 2


def supported() -> bool:
    """Whether the numbers of this machine's system calls stand in the table."""
    return os.uname().machine in _MACHINES


def load(*, own_view: bool) -> None:
    """Loads the filter for good; `no_new_privs` must be set.

    Args:
        own_view: Whether the program has a file tree of its own. Else it gets no AF_UNIX sockets
            either, with which it could reach the machine's services, and may change no modes.
    """
    program = _program(own_view=own_view)
    code = ctypes.create_string_buffer(b"".join(program))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    handed = Program(len(program), ctypes.cast(code, ctypes.c_void_p))
    kernel.prctl(kernel.PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(handed), what="seccomp")


def _program(*, own_view: bool) -> list[bytes]:
    column, architecture = _MACHINES[os.uname().machine]
    refuse = _op(_RETURN, _ERROR | errno.EPERM)
    program = [
        _op(_LOAD, _ARCHITECTURE), _op(_EQUAL, architecture, 1, 0), _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER), _op(_AT_LEAST, _X32, 0, 1), refuse,
    ]  # fmt: skip
    for numbers in (_REFUSED if own_view else _REFUSED | _ATTRIBUTES).values():
        number = numbers[column]
        if number is not None:
            program += [_op(_EQUAL, number, 0, 1), refuse]
    # clone3 hides its flags behind a pointer; told that it does not exist, libc takes clone.
    program += [_op(_EQUAL, _CLONE3[column], 0, 1), _op(_RETURN, _ERROR | errno.ENOSYS)]
    program += [_op(_EQUAL, _CLONE[column], 0, 4), _op(_LOAD, _ARGUMENT_0)]
    program += [_op(_ANY_BIT, _NEW_NAMESPACES, 0, 1), refuse, _op(_RETURN, _ALLOW)]
    # Own limits may be lowered; those of another process under the same user may not.
    program += [_op(_EQUAL, _PRLIMIT[column], 0, 4), _op(_LOAD, _ARGUMENT_0)]
    program += [_op(_EQUAL, 0, 1, 0), refuse, _op(_RETURN, _ALLOW)]
    denied = _op(_RETURN, _ERROR | errno.EACCES)
    program += [_op(_EQUAL, _SOCKET[column], 0, 4), _op(_LOAD, _ARGUMENT_0)]
    program += [_op(_EQUAL, _AF_UNIX if own_view else 0xFFFFFFFF, 1, 0), denied]
    return [*program, _op(_RETURN, _ALLOW), _op(_RETURN, _ALLOW)]


def _op(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)
