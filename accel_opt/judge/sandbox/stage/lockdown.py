"""Gives up rights, one after the other, and becomes the program."""

from __future__ import annotations

import fcntl
import os
import resource

from accel_opt.judge.sandbox.stage import kernel, landlock, plan, seccomp

TYPE_CHECKING = False  # typing itself takes as long to import as all the rest
if TYPE_CHECKING:
    from typing import NoReturn

READY = b"\x01"
CHANNEL_IN, CHANNEL_OUT = 3, 4


def lockdown_from(handle: int) -> NoReturn:
    """Reads the plan from a descriptor and becomes its program."""
    become(plan.read(handle))


def become(spec: plan.Plan) -> NoReturn:
    """Replaces this process by the program; what fails is told through the set-up pipe."""
    # Past the channel's two numbers, so that moving those cannot overwrite it.
    setup = fcntl.fcntl(spec["setup"], fcntl.F_DUPFD_CLOEXEC, 16)
    try:
        _give_up_rights(spec)
        _arrange_descriptors(spec, setup)
        os.write(setup, READY)
        os.execve(spec["command"][0], spec["command"], spec["environment"])  # noqa: S606
    except BaseException as error:  # noqa: BLE001 - nobody else is there to tell it
        with kernel.Passing():
            os.write(setup, f"{type(error).__name__}: {error}".encode()[:2000])
    finally:
        os._exit(126)


def _give_up_rights(spec: plan.Plan) -> None:
    os.setsid()
    os.umask(0o022)
    _limit(spec["limits"])
    if spec["level"] != plan.PROCESS:
        kernel.bar_capabilities()
    user = spec["user"]
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    if spec["level"] != plan.PROCESS:
        kernel.drop_capabilities()
    # After the change of user, whose tasks are counted.
    _lower(resource.RLIMIT_NPROC, spec["limits"]["user_tasks"])
    if spec["level"] != plan.BWRAP:  # which has --die-with-parent
        kernel.prctl(kernel.PR_SET_PDEATHSIG, kernel.SIGKILL)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    os.chdir(spec["folder"])
    if spec["landlock"]:
        landlock.restrict(_rules(spec), spec["landlock"])
    if spec["seccomp"]:
        seccomp.load(own_view=spec["level"] in plan.OWN_VIEW)


def _limit(limits: plan.LimitPlan) -> None:
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, limits["file"])
    _lower(resource.RLIMIT_NOFILE, limits["open_files"])
    _lower(resource.RLIMIT_MSGQUEUE, 0)
    if limits["address_space"] is not None:
        _lower(resource.RLIMIT_AS, limits["address_space"])


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _rules(spec: plan.Plan) -> list[tuple[str, int]]:
    rules = [(f"/dev/{name}", landlock.USE_DEVICE) for name in plan.BASIC_DEVICES]
    rules.append(("/proc", landlock.READ))
    rights = {
        plan.READ_ONLY: landlock.READ,
        plan.WRITABLE: landlock.CHANGE,
        plan.DEVICE: landlock.USE_DEVICE,
        plan.TMPFS: landlock.CHANGE,
    }
    own = spec["level"] in plan.OWN_VIEW
    if own:
        rules.append(("/", landlock.READ_DIR))  # nothing is in it but what we put there
    for kind, path, _ in spec["mounts"]:
        # Without a file tree of its own, /tmp is everybody's.
        if kind in rights and (own or kind != plan.TMPFS):
            rules.append((path, rights[kind]))
    return rules


def _arrange_descriptors(spec: plan.Plan, setup: int) -> None:
    incoming, outgoing = spec["channel"]
    if incoming >= 0:
        incoming, outgoing = (fcntl.fcntl(fd, fcntl.F_DUPFD, 16) for fd in (incoming, outgoing))
        os.dup2(incoming, CHANNEL_IN)
        os.dup2(outgoing, CHANNEL_OUT)
    first = CHANNEL_IN if incoming < 0 else CHANNEL_OUT + 1
    os.closerange(first, setup)
    os.closerange(setup + 1, 1 << 20)
    # Python and the supervisor ignore some; a program finds them as any program does.
    for number in (*kernel.POLITE_SIGNALS, kernel.SIGPIPE, kernel.SIGXFSZ):
        kernel.on_signal(number, ignore=False)
