"""Runs a program to its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from accel_opt.judge.sandbox.policy import Policy, Result
from accel_opt.judge.sandbox.process import SandboxedProcess


def run(command: Sequence[str], folder: Path, policy: Policy | None = None) -> Result:
    """Runs a program in a sandbox until it ends or a limit ends it.

    Args:
        command: Program and arguments; the program is looked up in PATH.
        folder: Its own folder, the only one it can write to.
        policy: What it may do and see.

    Returns:
        How it ended, its outputs, what it used and what was in force.

    Raises:
        SandboxUnavailableError: No level that was allowed works here.
        SandboxError: The sandbox could not be set up, or the program not be started.
    """
    with SandboxedProcess(command, folder, policy, channel=False) as process:
        return process.wait()
