"""Reads what comes from a running sandbox: outputs up to a limit, and the supervisor's words."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import threading
import time

from accel_opt.judge.sandbox.policy import Ended

# After its wall-clock limit and the time to end everything, a silent supervisor is given up.
_GRACE_S = 1.8
_START_S = 15.0
_DRAIN_S = 0.3
_LONGEST_WAIT_S = 3600.0  # the system's own limit lies at 24 days


class Monitor(threading.Thread):
    """One thread for each sandbox; it ends soon after the sandbox.

    Args:
        process: The supervisor.
        status: Descriptor of its words; closed by the thread.
        lifeline: Descriptor on which it is told to end; closed by the thread.
        wall_s: The program's wall-clock limit.
        output_bytes: Bytes of output to keep; one more ends the program.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        status: int,
        lifeline: int,
        wall_s: float,
        output_bytes: int,
    ) -> None:
        super().__init__(name="sandbox-monitor", daemon=True)
        self.process, self._status, self._lifeline = process, status, lifeline
        self._wall_s, self._room = wall_s, output_bytes
        self.outputs = {"stdout": bytearray(), "stderr": bytearray()}
        self.truncated = False
        self.enforced: dict[str, str] | None = None
        self.started_at = 0.0
        self.seen: dict[str, str] = {}
        self.final: dict[str, str] | None = None
        self.failure = ""
        self.ready = threading.Event()
        self.done = threading.Event()
        self._words = b""
        self._lock = threading.Lock()

    def stop(self, reason: Ended) -> None:
        """Has the supervisor end everything; the first reason counts."""
        with self._lock, contextlib.suppress(OSError):
            if self._lifeline >= 0:
                os.write(self._lifeline, reason.value.encode())

    def run(self) -> None:
        """Reads until the supervisor has ended."""
        try:
            self._read_all()
        finally:
            self._finish()

    def _read_all(self) -> None:
        pipes = {"status": self._status}
        for name, pipe in (("stdout", self.process.stdout), ("stderr", self.process.stderr)):
            assert pipe is not None  # noqa: S101 - Popen was told to make them
            pipes[name] = pipe.fileno()
        with selectors.DefaultSelector() as selector:
            for name, handle in pipes.items():
                selector.register(handle, selectors.EVENT_READ, name)
            deadline = time.monotonic() + _START_S
            while "status" in {key.data for key in selector.get_map().values()}:
                if self.started_at:
                    deadline = self.started_at + self._wall_s + _GRACE_S
                if time.monotonic() > deadline:
                    return
                self._take(selector, max(deadline - time.monotonic(), 0.01))
            # The supervisor has gone and everything with it; what is in the pipes is the last.
            drained = time.monotonic() + _DRAIN_S
            while selector.get_map() and time.monotonic() < drained:
                if not self._take(selector, 0.05):
                    return

    def _take(self, selector: selectors.BaseSelector, timeout_s: float) -> bool:
        events = selector.select(min(timeout_s, _LONGEST_WAIT_S))
        for key, _ in events:
            chunk = os.read(key.fd, 1 << 16)
            if not chunk:
                selector.unregister(key.fd)
            elif key.data == "status":
                self._hear(chunk)
            else:
                self._keep(key.data, chunk)
        return bool(events)

    def _keep(self, name: str, chunk: bytes) -> None:
        self.outputs[name] += chunk[: self._room]
        if len(chunk) > self._room and not self.truncated:
            self.truncated = True
            self.stop(Ended.OUTPUT)
        self._room -= min(len(chunk), self._room)

    def _hear(self, chunk: bytes) -> None:
        *lines, self._words = (self._words + chunk).split(b"\n")
        for line in lines:
            event, *words = line.decode(errors="replace").split("\t")
            fields = dict(word.split("=", 1) for word in words)
            if event == "started":
                self.enforced, self.started_at = fields, time.monotonic()
                self.ready.set()
            elif event == "ended":
                self.final = fields
            elif event == "failed":
                self.failure = fields["why"]
            else:
                self.seen = fields

    def _finish(self) -> None:
        # Its parent-death signal takes the program along, should the supervisor still be there.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(0 if self.final is None else 0.5)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        with self._lock:
            os.close(self._lifeline)
            self._lifeline = -1
        os.close(self._status)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        self.done.set()
        self.ready.set()
