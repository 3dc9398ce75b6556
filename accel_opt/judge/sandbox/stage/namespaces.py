"""Namespaces without bubblewrap: a process tree, a network and a file tree of its own."""

from __future__ import annotations

import os

from accel_opt.judge.sandbox.stage import kernel, lockdown, mounts, plan

TYPE_CHECKING = False  # typing itself takes as long to import as all the rest
if TYPE_CHECKING:
    from typing import NoReturn


def start(spec: plan.Plan) -> int:
    """Starts the first process of new namespaces; this process stays outside most of them.

    Returns:
        Its number here. With it, everything inside ends.
    """
    if spec["privileged"]:
        kernel.unshare(kernel.CLONE_NEWPID)
    else:
        user, group = os.getuid(), os.getgid()
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
    child = os.fork()
    if child == 0:
        _first(spec)
    return child


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:  # noqa: PTH123 - pathlib is slow to import
        file.write(text)


def _first(spec: plan.Plan) -> NoReturn:
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, kernel.SIGKILL)
        kernel.offer_to_oom_killer()
        kernel.unshare(
            kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
        )
        with kernel.Passing():
            kernel.unshare(kernel.CLONE_NEWCGROUP)
        mounts.build(spec)
        program = os.fork()
        if program == 0:
            lockdown.become(spec)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        kernel.bar_capabilities()
        kernel.drop_capabilities()
        os.closerange(0, 1 << 20)
        os._exit(_reap_until(program))
    except BaseException as error:  # noqa: BLE001 - nobody else is there to tell it
        with kernel.Passing():
            os.write(spec["setup"], f"{type(error).__name__}: {error}".encode()[:2000])
    finally:
        os._exit(125)


def _reap_until(program: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == program:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
