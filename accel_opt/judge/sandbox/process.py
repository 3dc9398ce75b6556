"""A program that runs sandboxed and, while it does, can be talked to."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from accel_opt.judge.sandbox import cgroup, halting, leftovers
from accel_opt.judge.sandbox.channel import Channel
from accel_opt.judge.sandbox.levels import choose_level
from accel_opt.judge.sandbox.monitor import Monitor
from accel_opt.judge.sandbox.planning import make_plan
from accel_opt.judge.sandbox.policy import (
    Ended,
    Enforced,
    Level,
    Policy,
    Result,
    SandboxError,
    Usage,
)
from accel_opt.judge.sandbox.stage.plan import Plan, written

_MIB = 1 << 20
_STAGE = Path(__file__).parent / "stage" / "__main__.py"


class SandboxedProcess:
    """One program in a sandbox, with all its descendants.

    ```python
    with SandboxedProcess([sys.executable, "program.py"], folder) as program:
        program.send({"prompt": "a red ring", "seed": 7})
        answer = program.receive(timeout_s=60)
    ```

    The program finds the channel at descriptors 3 (reads) and 4 (writes); the module
    `accel_opt_channel`, which stands on its PYTHONPATH, speaks it.

    Args:
        command: Program and arguments; the program is looked up in PATH.
        folder: Its own folder: working directory, home and the only one it can write to. As root
            we hand it over to the user under which the program runs.
        policy: What it may do and see.
        channel: Whether to lay the channel.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        policy: Policy | None = None,
        *,
        channel: bool = True,
    ) -> None:
        self._command = list(command)
        self._folder = Path(folder).resolve()
        self.policy = policy or Policy()
        self._with_channel = channel
        self._channel: Channel | None = None
        self._monitor: Monitor | None = None
        self._cgroup: cgroup.Cgroup | None = None
        self._plan: Plan | None = None
        self._mark = leftovers.new_mark()
        self._result: Result | None = None

    def start(self) -> Self:
        """Starts the program; returns once it runs.

        Raises:
            SandboxUnavailableError: No level that was allowed works here.
            SandboxError: The sandbox could not be set up, or the program not be started.
            InputError: A path or variable of the policy cannot be given to a program.
        """
        return self.start_at(choose_level(self.policy))

    def start_at(self, level: Level) -> Self:
        """As `start`, at a level that nobody has tried yet."""
        words = leftovers.variable(self._mark)
        self._plan = make_plan(level, self._command, self._folder, self.policy, words)
        monitor = self._monitor = self._launch(self._plan)
        monitor.start()
        monitor.ready.wait()
        if monitor.enforced is None:
            # Dead on arrival: its standard error holds what bubblewrap had to say.
            monitor.done.wait()
            self._tidy()
            said = monitor.outputs["stderr"][-500:].decode(errors="replace").strip()
            raise SandboxError(f"{level}: {monitor.failure or 'no word'} {said}".strip())
        return self

    def send(self, message: Mapping[str, Any], timeout_s: float = 10.0) -> None:
        """Sends one JSON object; see `Channel.send`."""
        self._require_channel().send(message, timeout_s)

    def receive(self, timeout_s: float) -> dict[str, Any]:
        """Waits for one JSON object; see `Channel.receive`."""
        return self._require_channel().receive(timeout_s)

    def pause(self) -> None:
        """Stops the program with all its descendants where they are; its wall clock goes on."""
        halting.pause(self._running().process.pid)

    def resume(self) -> None:
        """Lets the program go on after `pause`."""
        halting.resume(self._running().process.pid)

    def kill(self) -> Result:
        """Ends the program with all its descendants, if it has not ended."""
        self._running().stop(Ended.KILLED)
        return self.wait()

    def wait(self, timeout_s: float | None = None) -> Result:
        """Waits for the program's end, which its limits bring about.

        Raises:
            TimeoutError: It still runs.
        """
        monitor = self._running()
        if not monitor.done.wait(timeout_s):
            raise TimeoutError(f"the program still runs after {timeout_s} s")
        if self._result is None:
            self._result = self._make_result(monitor)
            self._tidy()
        return self._result

    def usage(self) -> Usage:
        """What the program has used so far."""
        if self._result is not None:
            return self._result.usage
        monitor = self._running()
        seen = monitor.seen
        wall_s = time.monotonic() - monitor.started_at
        return Usage(wall_s, None, int(seen.get("memory", 0)) / _MIB, int(seen.get("tasks", 0)))

    @property
    def enforced(self) -> Enforced:
        """What is in force around the program."""
        monitor, spec = self._running(), self._plan
        words = monitor.enforced
        if spec is None or words is None:
            raise SandboxError("the program was not started")
        by = "cgroup" if self._cgroup else "watchdog"
        own = spec["user"] is not None
        abi, seccomp = int(words["landlock"]), words["seccomp"] == "1"
        return Enforced(Level(spec["level"]), abi, seccomp, own, by)

    @property
    def stderr(self) -> bytes:
        """What is kept so far of the standard error."""
        return bytes(self._running().outputs["stderr"])

    @property
    def stdout(self) -> bytes:
        """What is kept so far of the standard output."""
        return bytes(self._running().outputs["stdout"])

    def __enter__(self) -> Self:
        return self if self._monitor else self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _running(self) -> Monitor:
        if self._monitor is None:
            raise SandboxError("the program was not started")
        return self._monitor

    def _require_channel(self) -> Channel:
        if self._channel is None:
            raise SandboxError("there is no channel, or the program was not started")
        return self._channel

    def _launch(self, spec: Plan) -> Monitor:
        limits = self.policy.limits
        self._cgroup = cgroup.make(self.policy.cgroup, limits.memory_mib * _MIB, limits.tasks)
        spec["cgroup"] = str(self._cgroup.folder) if self._cgroup else None
        plan_out, plan_in = os.pipe()
        status_out, status_in = os.pipe()
        line_out, line_in = os.pipe()
        given = [plan_out, status_in, line_out]
        if self._with_channel:
            to_out, to_in = os.pipe()
            from_out, from_in = os.pipe()
            self._channel = Channel(from_out, to_in)
            given += [to_out, from_in]
        words = [str(n) for n in given] + ([] if self._with_channel else ["-1", "-1"])
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_STAGE), "supervise", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=given,
            # The program may find a way to read the supervisor's environment.
            env={"PATH": os.environ.get("PATH", os.defpath)},
            cwd="/",
            start_new_session=True,
        )
        for handle in given:
            os.close(handle)
        # A stage that is dead already says so through the monitor.
        with contextlib.suppress(BrokenPipeError), os.fdopen(plan_in, "wb") as pipe:
            pipe.write(written(spec))
        return Monitor(process, status_out, line_in, limits.wall_s, limits.output_bytes)

    def _make_result(self, monitor: Monitor) -> Result:
        final = monitor.final or {"why": Ended.LOST.value}
        ended = Ended(final["why"])
        # A program that filled its output and left before it was ended has still filled it.
        if monitor.truncated and ended is Ended.EXIT:
            ended = Ended.OUTPUT
        if self._cgroup and self._cgroup.ran_out_of_memory():
            ended = Ended.MEMORY
        wall_s = float(final.get("wall_s", time.monotonic() - monitor.started_at))
        cpu_s = float(final["cpu_s"]) if "cpu_s" in final else None
        seen = monitor.seen | final
        peak, tasks = int(seen.get("memory", 0)) / _MIB, int(seen.get("tasks", 0))
        return Result(
            ended=ended,
            exit_code=int(final["exit"]) if ended is Ended.EXIT else None,
            stdout=bytes(monitor.outputs["stdout"]),
            stderr=bytes(monitor.outputs["stderr"]),
            truncated=monitor.truncated,
            usage=Usage(wall_s, cpu_s, peak, tasks),
            enforced=self.enforced,
            leftovers=self._count_leftovers(final, ended),
        )

    def _count_leftovers(self, final: Mapping[str, str], ended: Ended) -> int:
        level = self.enforced.level
        if level.own_view and ended is not Ended.LOST:
            return int(final["leftovers"])
        # Nothing but the mark in their environment tells whose the orphans are.
        return leftovers.end_marked(self._mark)

    def _tidy(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._cgroup is not None:
            self._cgroup.remove()
