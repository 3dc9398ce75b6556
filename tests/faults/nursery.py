"""A process that begets workers by forking and kills them at random moments.

Everything is imported once, so that a worker starts within milliseconds and 60 kills take no
minute; each is a process of its own all the same.

    python -m tests.faults.nursery '{"storage": ..., "study": ..., "workers": 4, "kills": 60}'
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from dataclasses import dataclass, field

from accel_opt.core.events import TrialFinished, TrialStarted
from accel_opt.search.workers.joining import join
from accel_opt.search.workers.problem import named

_LONGEST_S = 240.0


@dataclass
class Siege:
    """Who lives, who was killed, and which trials were acknowledged."""

    storage: str
    study: str
    workers: int = 4
    kills: int = 60
    seed: int = 1
    signal: int = signal.SIGKILL
    problem: str = "tests.workers.problems:quick"
    trials: int = 300
    children: dict[int, int] = field(default_factory=dict)
    acknowledged: dict[int, dict] = field(default_factory=dict)
    killed: int = 0
    ended: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    working: set[int] = field(default_factory=set)

    def run(self) -> dict:
        rng = random.Random(self.seed)
        deadline = time.monotonic() + _LONGEST_S
        for _ in range(self.workers):
            self._beget()
        kill_at = None
        while self.children and time.monotonic() < deadline:
            self._read(0.005)
            self._bury()
            due = self.killed * self.trials * 0.9 / max(1, self.kills)
            if self.killed < self.kills and len(self.acknowledged) >= due and self.children:
                # Kills are spread over the whole search, each at a moment of its own.
                now = time.monotonic()
                kill_at = now + 0.08 * rng.random() if kill_at is None else kill_at
                if now >= kill_at:
                    self._kill(rng)
                    kill_at = None
        for pid in self.children:
            os.kill(pid, signal.SIGKILL)
        acknowledged = sorted(self.acknowledged)
        return {
            "killed": self.killed,
            "ended": self.ended,
            "acknowledged": acknowledged,
            "statuses": self.statuses,
            "timed out": bool(self.children),
        }

    def _kill(self, rng: random.Random) -> None:
        """Four times in five one that evaluates, else one at any stage of its life."""
        among = [pid for pid in self.children if pid in self.working]
        if not among or rng.random() < 0.2:
            among = list(self.children)
        pid = rng.choice(among)
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            os.kill(pid, self.signal)
            self.killed += 1

    def _beget(self) -> None:
        inward, outward = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(inward)
            for other in self.children.values():
                os.close(other)
            _live(self, outward)
        os.close(outward)
        self.children[pid] = inward

    def _read(self, wait_s: float) -> None:
        ready, _, _ = select.select(list(self.children.values()), [], [], wait_s)
        for pid, inward in self.children.items():
            if inward in ready:
                self._take(pid, os.read(inward, 1 << 16))

    def _take(self, pid: int, text: bytes) -> None:
        # A line is shorter than a pipe's atomic write, so that none is torn by a kill.
        for line in text.decode().splitlines():
            told = json.loads(line)
            self.working.add(pid)
            if "outcome" in told:
                self.acknowledged[told["number"]] = told

    def _bury(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            inward = self.children.pop(pid)
            while select.select([inward], [], [], 0)[0]:
                text = os.read(inward, 1 << 16)
                if not text:
                    break
                self._take(pid, text)
            os.close(inward)
            word = str(os.waitstatus_to_exitcode(status))
            self.statuses[word] = self.statuses.get(word, 0) + 1
            if word == "0":
                self.ended += 1
            elif self.ended == 0 and sum(self.statuses.values()) < 20 + 2 * self.kills:
                self._beget()


def _live(siege: Siege, outward: int) -> None:
    """A worker's whole life."""

    def leave(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, leave)

    def tell(event: object) -> None:
        if isinstance(event, TrialStarted):
            os.write(outward, b'{"begun": true}\n')
        if isinstance(event, TrialFinished):
            line = json.dumps({"number": event.number, "outcome": event.outcome})
            os.write(outward, f"{line}\n".encode())

    status = 1
    try:
        join(named(siege.problem), siege.storage, siege.study, on_event=tell)
        status = 0
    except KeyboardInterrupt:
        status = 3
    except BaseException as error:  # noqa: BLE001 - said, and the child ends
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        os._exit(status)


if __name__ == "__main__":
    print(json.dumps(Siege(**json.loads(sys.argv[1])).run()))  # noqa: T201
