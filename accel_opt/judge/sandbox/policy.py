"""What a program may do, what it used, how it ended: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from accel_opt.core.errors import AccelOptError, InputError


class SandboxError(AccelOptError):
    """The sandbox itself failed; nothing is known about the program."""


class SandboxUnavailableError(InputError):
    """No level that isolates works on this machine, or not the one that was asked for."""


class Level(StrEnum):
    """How a program is kept apart, strongest first; SECURITY.md says what each one holds."""

    BWRAP = "bwrap"
    NAMESPACES = "namespaces"
    LANDLOCK = "landlock"
    PROCESS = "process"

    @property
    def isolates(self) -> bool:
        """Whether network, files outside and other processes are out of reach."""
        return self is not Level.PROCESS

    @property
    def own_view(self) -> bool:
        """Whether the program has a file tree and process numbers of its own."""
        return self in {Level.BWRAP, Level.NAMESPACES}


class Ended(StrEnum):
    """Why a program is no longer running."""

    EXIT = "exit"
    WALL_TIME = "wall_time"
    MEMORY = "memory"
    TASKS = "tasks"
    DISK = "disk"
    OUTPUT = "output"
    KILLED = "killed"
    LOST = "lost"


@dataclass(frozen=True)
class Limits:
    """Limits of one program with all its descendants.

    Attributes:
        wall_s: Seconds from the start of the program until everything is ended.
        memory_mib: Memory of all processes together (proportional share of shared pages).
        address_space_mib: RLIMIT_AS of each process; breaks CUDA, so off unless asked for.
        tasks: Processes and threads together.
        file_mib: Largest single file.
        disk_mib: Own folder, unlinked files still open and memory files together.
        files: Number of files in the own folder.
        temporary_mib: Size of the own /tmp and of the own /dev/shm, each.
        output_bytes: Bytes kept of stdout and stderr together; one more ends the program.
        open_files: RLIMIT_NOFILE of each process.
    """

    wall_s: float = 600.0
    memory_mib: int = 16384
    address_space_mib: int | None = None
    tasks: int = 512
    file_mib: int = 256
    disk_mib: int = 1024
    files: int = 10_000
    temporary_mib: int = 512
    output_bytes: int = 10_000_000
    open_files: int = 1024


@dataclass(frozen=True)
class Policy:
    """Where a program runs and what it may see.

    Attributes:
        level: The level asked for; None takes the strongest that works here.
        allow_unsandboxed: Whether `Level.PROCESS`, which isolates nothing, may be taken.
        limits: Limits of the program and its descendants.
        read_only: Files and folders to be seen beside the system and Python: model caches.
        devices: Device nodes to open; `paths.gpu_devices()` names those of NVIDIA.
        environment: Variables beside the few that are passed on.
        cgroup: A cgroup v2 folder delegated to us; None looks for one, then watches instead.
    """

    level: Level | None = None
    allow_unsandboxed: bool = False
    limits: Limits = field(default_factory=Limits)
    read_only: tuple[Path, ...] = ()
    devices: tuple[Path, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    cgroup: Path | None = None


@dataclass(frozen=True)
class Enforced:
    """What was in force around one program; goes into the report.

    Attributes:
        level: The level.
        landlock_abi: Version of Landlock that was applied, 0 for none.
        seccomp: Whether the filter of system calls was loaded.
        own_user: Whether the program ran under a user number of its own (needs root).
        memory_by: "cgroup" (exact) or "watchdog" (looks 20 times a second).
    """

    level: Level
    landlock_abi: int
    seccomp: bool
    own_user: bool
    memory_by: str


@dataclass(frozen=True)
class Usage:
    """What a program used so far; complete once it has ended.

    Attributes:
        wall_s: Seconds since the program's start.
        cpu_s: Processor time of the processes that were waited for; None while it runs.
        peak_memory_mib: Highest memory seen, all processes together.
        peak_tasks: Most processes and threads seen at once.
    """

    wall_s: float
    cpu_s: float | None
    peak_memory_mib: float
    peak_tasks: int


@dataclass(frozen=True)
class Result:
    """What became of a program. Nothing in it comes from the program but the two outputs.

    Attributes:
        ended: Why it ended; `Ended.EXIT` for its own end.
        exit_code: Exit status, 128 + signal when a signal ended it; None unless `Ended.EXIT`.
        stdout: What is kept of the standard output.
        stderr: What is kept of the standard error.
        truncated: Whether output was dropped.
        usage: Time, memory and tasks.
        enforced: What was in force.
        leftovers: Processes that could not be shown to have ended; 0 unless something is wrong.
    """

    ended: Ended
    exit_code: int | None
    stdout: bytes
    stderr: bytes
    truncated: bool
    usage: Usage
    enforced: Enforced
    leftovers: int = 0

    @property
    def ok(self) -> bool:
        """Whether the program ended by itself with status 0; says nothing of what it achieved."""
        return self.ended is Ended.EXIT and self.exit_code == 0
