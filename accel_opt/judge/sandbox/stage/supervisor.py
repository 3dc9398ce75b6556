"""Stays outside the sandbox, keeps the limits and ends everything.

It runs apart from our process, so that the limits hold while that computes, and when it dies.
"""

from __future__ import annotations

import os
import resource
import select
import sys
import time

from accel_opt.judge.sandbox.stage import (
    bubblewrap,
    kernel,
    landlock,
    lockdown,
    namespaces,
    plan,
    seccomp,
    tree,
)

_TICK_S = 0.05
_DISK_EVERY_S = 0.25
_SETUP_S = 10.0
_END_S = 1.5


def supervise(plan_fd: int, status_fd: int, lifeline: int, incoming: int, outgoing: int) -> None:
    """Runs the plan's program until it ends, meets a limit, or the lifeline says so."""
    for number in kernel.POLITE_SIGNALS:
        kernel.on_signal(number, ignore=True)
    spec = plan.read(plan_fd)
    spec["channel"] = (incoming, outgoing)
    try:
        Supervisor(spec, status_fd, lifeline).run()
        os._exit(0)  # nothing to tidy up, and the parent waits
    except BaseException as error:  # noqa: BLE001 - told to the parent, then everything ends
        tree.end_all(time.monotonic() + _END_S)
        _tell(status_fd, "failed", why=f"{type(error).__name__}: {error}")
        sys.exit(1)


class Supervisor:
    """One program's limits.

    Args:
        spec: The program.
        status: Descriptor on which the parent is told what happens.
        lifeline: Descriptor on which the parent says how to end; closed when the parent dies.
    """

    def __init__(self, spec: plan.Plan, status: int, lifeline: int) -> None:
        self.spec, self.status, self.lifeline = spec, status, lifeline
        self.limits = spec["limits"]
        self.started = 0.0
        self.peak_memory = self.peak_tasks = 0
        self._disk_due = 0.0
        self._told_memory = 0

    def run(self) -> None:
        """Starts the program, watches it, ends everything, tells how it went."""
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        os.umask(0o022)
        child = self._start()
        ended, status = self._watch(child)
        wall_s = time.monotonic() - self.started
        left = tree.end_all(time.monotonic() + _END_S)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        _tell(
            self.status,
            "ended",
            why=ended,
            exit=-1 if status is None else status,
            wall_s=wall_s,
            leftovers=left,
            cpu_s=used.ru_utime + used.ru_stime,
            memory=max(self.peak_memory, used.ru_maxrss * 1024),
            tasks=self.peak_tasks,
        )

    def _start(self) -> int:
        if not seccomp.supported():
            self.spec["seccomp"] = False
        self.spec["landlock"] = landlock.version() if self.spec["landlock"] else 0
        reading, self.spec["setup"] = os.pipe()
        child = _launch(self.spec)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # the program must not look into us
        os.close(self.spec["setup"])
        for descriptor in self.spec["channel"]:
            if descriptor >= 0:
                os.close(descriptor)
        # The program's end must be the end of its output.
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.dup2(null, 2)
        self._await_setup(reading)
        os.close(reading)
        self.started = time.monotonic()
        _tell(
            self.status,
            "started",
            landlock=self.spec["landlock"],
            seccomp=int(self.spec["seccomp"]),
        )
        return child

    def _await_setup(self, reading: int) -> None:
        # Ready, then the pipe's end, which exec closes: anything else is a failure.
        deadline, said = time.monotonic() + _SETUP_S, b""
        while True:
            left = deadline - time.monotonic()
            if not select.select([reading], [], [], max(left, 0))[0]:
                raise TimeoutError(f"the program was not started within {_SETUP_S:.0f} s")
            chunk = os.read(reading, 4096)
            if not chunk:
                break
            said += chunk
        if said != lockdown.READY:
            raise RuntimeError(said.lstrip(lockdown.READY).decode(errors="replace") or "no word")

    def _watch(self, child: int) -> tuple[str, int | None]:
        deadline = self.started + self.limits["wall_s"]
        ended = os.pidfd_open(child)
        while True:
            pause = min(_TICK_S, max(deadline - time.monotonic(), 0))
            ready = select.select([ended, self.lifeline], [], [], pause)[0]
            if ended in ready:
                return "exit", _exit_code(os.waitpid(child, 0)[1])
            if self.lifeline in ready:
                # The reason is a word of the parent's; nothing means that it is gone.
                return os.read(self.lifeline, 64).decode() or "killed", None
            if time.monotonic() >= deadline:
                return "wall_time", None
            broken = self._broken_limit()
            if broken:
                return broken, None

    def _broken_limit(self) -> str | None:
        processes = list(tree.descendants())
        pids = [pid for pid, _ in processes]
        tasks = sum(len(threads) for _, threads in processes)
        memory = tree.memory(pids, self.limits["memory"])
        self.peak_tasks, self.peak_memory = (
            max(self.peak_tasks, tasks),
            max(self.peak_memory, memory),
        )
        self._tell_usage()
        if memory > self.limits["memory"]:
            return "memory"
        # Two or three tasks are the sandbox's own.
        if tasks > self.limits["tasks"] + 3:
            return "tasks"
        now = time.monotonic()
        if now < self._disk_due:
            return None
        size, count = tree.folder_size(self.spec["folder"], self.limits["files"])
        size += tree.unlinked_bytes(pids)
        # A large folder is looked at less often: at most a twentieth of a core goes there.
        self._disk_due = now + max(_DISK_EVERY_S, 20 * (time.monotonic() - now))
        return "disk" if size > self.limits["disk"] or count > self.limits["files"] else None

    def _tell_usage(self) -> None:
        if self.peak_memory > 1.1 * self._told_memory:
            self._told_memory = self.peak_memory
            _tell(self.status, "usage", memory=self.peak_memory, tasks=self.peak_tasks)


def _launch(spec: plan.Plan) -> int:
    if spec["cgroup"]:
        # This process is moved before the fork and counted with the program: a few MiB.
        with open(f"{spec['cgroup']}/cgroup.procs", "w") as file:  # noqa: PTH123
            file.write(str(os.getpid()))
    if spec["level"] == plan.NAMESPACES:
        return namespaces.start(spec)
    child = os.fork()
    if child:
        return child
    try:
        kernel.offer_to_oom_killer()
        if spec["level"] == plan.BWRAP:
            bubblewrap.execute(spec)
        lockdown.become(spec)
    except BaseException as error:  # noqa: BLE001 - told through the pipe
        os.write(spec["setup"], f"{type(error).__name__}: {error}".encode()[:2000])
    finally:
        os._exit(125)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _tell(handle: int, event: str, **fields: str | float) -> None:
    # One line, fields apart by tabs: nothing here needs more.
    words = [event, *(f"{k}={' '.join(str(v).split())}" for k, v in fields.items())]
    with kernel.Passing():
        os.write(handle, "\t".join(words).encode()[:4000] + b"\n")
