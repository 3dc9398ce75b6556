"""What the parent tells the stage, in marshal's form: both are the same interpreter."""

from __future__ import annotations

import marshal
import os

TYPE_CHECKING = False  # typing itself takes as long to import as all the rest
if TYPE_CHECKING:
    from typing import TypedDict
else:
    TypedDict = dict

BWRAP, NAMESPACES, LANDLOCK, PROCESS = "bwrap", "namespaces", "landlock", "process"
OWN_VIEW = (BWRAP, NAMESPACES)

# Kinds of mounts, with the path and one more word (target of a link, size of a tmpfs).
READ_ONLY, WRITABLE, DEVICE, LINK, TMPFS = "read_only", "writable", "device", "link", "tmpfs"

BASIC_DEVICES = ("null", "zero", "full", "random", "urandom")

# They belong to the whole machine, and a program that runs under root's number owns them.
MACHINE_SETTINGS = ("/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus")


class LimitPlan(TypedDict):
    """The limits, in bytes and seconds.

    `user_tasks` is for RLIMIT_NPROC, which counts what else runs under the program's user.
    """

    wall_s: float
    memory: int
    address_space: int | None
    tasks: int
    user_tasks: int
    file: int
    disk: int
    files: int
    temporary: int
    open_files: int


class Plan(TypedDict):
    """One program.

    `user` is a user and group number to become, `privileged` whether namespaces can be had without
    one for users, `landlock` the version to apply, `channel` and `setup` descriptors of the stage.
    """

    level: str
    command: list[str]
    folder: str
    environment: dict[str, str]
    mounts: list[tuple[str, str, str]]
    user: int | None
    privileged: bool
    landlock: int
    seccomp: bool
    limits: LimitPlan
    cgroup: str | None
    python: str
    channel: tuple[int, int]
    setup: int


def written(plan: Plan) -> bytes:
    """What `read` reads."""
    # marshal takes plain dictionaries only, not classes made from them.
    plain = {**plan, "limits": dict(plan["limits"])}
    return marshal.dumps(plain)


def read(handle: int) -> Plan:
    """The plan that stands in a pipe or memory file, which is closed."""
    with os.fdopen(handle, "rb") as file:
        plan: Plan = marshal.loads(file.read())  # noqa: S302 - from our own parent only
    return plan
