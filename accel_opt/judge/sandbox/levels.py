"""Which levels work on this machine: each is tried, and must hold what it is for."""

from __future__ import annotations

import functools
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from accel_opt.core.errors import AccelOptError
from accel_opt.judge.sandbox.policy import Level, Limits, Policy, SandboxUnavailableError
from accel_opt.judge.sandbox.stage import landlock, seccomp

LEVELS = tuple(Level)

# Below this version Landlock lets a program signal the processes outside it.
_LEAST_LANDLOCK = 6

_ATTEMPT = """
import os, socket, sys
secret, port = sys.argv[1], int(sys.argv[2])
try:
    open(secret).close()
    os._exit(11)
except OSError:
    pass
try:
    open(secret + ".new", "w").close()  # in a /tmp of its own it may
except OSError:
    pass
try:
    socket.create_connection(("127.0.0.1", port), 1).close()
    os._exit(13)
except OSError:
    pass
"""
_HOLES = {11: "a file outside was read", 13: "a socket connected"}


def choose_level(policy: Policy) -> Level:
    """The level that the policy asks for, or the strongest that works here.

    Raises:
        SandboxUnavailableError: None works that is allowed.
    """
    if policy.level is None:
        for level in LEVELS:
            if level.isolates and not _problem(level):
                return level
    elif policy.level.isolates:
        problem = _problem(policy.level)
        if not problem:
            return policy.level
        raise SandboxUnavailableError(f"level {policy.level.value!r} does not work here: {problem}")
    if policy.allow_unsandboxed:
        return Level.PROCESS
    if policy.level is Level.PROCESS:
        raise SandboxUnavailableError(
            "level 'process' isolates nothing: a program can read and send your files; "
            "--allow-unsandboxed takes it all the same"
        )
    why = "; ".join(f"{level}: {_problem(level)}" for level in LEVELS if level.isolates)
    raise SandboxUnavailableError(
        f"nothing isolates programs here ({why}). Install bubblewrap, or let programs read and "
        "send your files with --allow-unsandboxed"
    )


def available_levels() -> dict[Level, str]:
    """Every level with the reason why it does not work here, "" where it does."""
    return {level: _problem(level) for level in LEVELS}


@functools.cache
def _problem(level: Level) -> str:
    if not sys.platform.startswith("linux"):
        return "" if level is Level.PROCESS else "only Linux has it"
    if level is Level.PROCESS:
        return ""
    if level is Level.BWRAP and shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    if level is Level.LANDLOCK:
        if landlock.version() < _LEAST_LANDLOCK:
            return f"Landlock {landlock.version()}, needs {_LEAST_LANDLOCK} (Linux 6.12)"
        if not seccomp.supported():
            return "no seccomp filter for this processor"
    return _try(level)


def _try(level: Level) -> str:
    # Imported here: a process asks this module which level to take.
    from accel_opt.judge.sandbox.process import SandboxedProcess

    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as server:
        folder, secret = Path(name) / "own", Path(name) / "secret"
        folder.mkdir()
        secret.write_text("x")
        port = str(server.getsockname()[1])
        command = [sys.executable, "-I", "-S", "-c", _ATTEMPT, str(secret), port]
        trial = SandboxedProcess(command, folder, Policy(limits=Limits(wall_s=10)), channel=False)
        try:
            with trial.start_at(level):
                result = trial.wait()
        except AccelOptError as error:
            return str(error)
        if len(list(Path(name).iterdir())) > 2:
            return "a file outside was written"
    if result.ok:
        return ""
    return _HOLES.get(
        result.exit_code or 0, f"a trial ended with {result.ended} {result.exit_code}"
    )
