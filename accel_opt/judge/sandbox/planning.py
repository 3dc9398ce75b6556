"""Turns a policy into the plan of one program."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from accel_opt.core.errors import InputError
from accel_opt.judge.sandbox import environment, paths, user
from accel_opt.judge.sandbox.policy import Level, Limits, Policy
from accel_opt.judge.sandbox.stage.plan import LimitPlan, Plan

_MIB = 1 << 20


def make_plan(
    level: Level, command: Sequence[str], folder: Path, policy: Policy, marks: Mapping[str, str]
) -> Plan:
    """The plan of a program; its folder is made ready for it.

    Args:
        level: The level.
        command: Program, looked up in PATH, and arguments.
        folder: Its own folder.
        policy: What it may do and see.
        marks: Variables by which its processes are known.

    Raises:
        InputError: The program does not exist, or the policy names what cannot be given to it.
    """
    program = _found(command[0])
    mounts = paths.mounts(
        folder, policy.read_only, policy.devices, policy.limits.temporary_mib * _MIB
    )
    variables = environment.scrubbed(
        folder, own_view=level.own_view, program=program, extra=policy.environment
    )
    shown = [*map(str, policy.read_only), str(paths.PACKAGE)]
    if not level.own_view:
        (folder / ".tmp").mkdir(exist_ok=True)
    number = user.own_user(level, program, folder, shown)
    user.hand_over(folder, number)
    # Alone under its user, or alone in its user namespace; else beside all that we run.
    others = 0 if number is not None or level.own_view else user.our_tasks()
    return Plan(
        level=level.value,
        command=[program, *command[1:]],
        folder=str(folder),
        environment=variables | dict(marks),
        mounts=mounts,
        user=number,
        privileged=user.privileged(),
        landlock=int(level.isolates),
        seccomp=level.isolates,
        limits=_limit_plan(policy.limits, others),
        cgroup=None,
        python=sys.executable,
        channel=(-1, -1),
        setup=-1,
    )


def _found(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        raise InputError(f"there is no program {name!r} that can be run; give its whole path")
    return str(Path(program).absolute())


def _limit_plan(limits: Limits, others: int) -> LimitPlan:
    space = limits.address_space_mib
    return LimitPlan(
        wall_s=limits.wall_s,
        memory=limits.memory_mib * _MIB,
        address_space=None if space is None else space * _MIB,
        tasks=limits.tasks,
        user_tasks=limits.tasks + others,
        file=limits.file_mib * _MIB,
        disk=limits.disk_mib * _MIB,
        files=limits.files,
        temporary=limits.temporary_mib * _MIB,
        open_files=limits.open_files,
    )
