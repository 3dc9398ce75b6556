"""Exporters that are killed while they write, and a reader that never stops.

python -m tests.faults.exporters FILE KILLS READS
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from accel_opt import results
from accel_opt.core.config import Config

_WRITERS = 3
_LONGEST_S = 200.0


def export(path: Path, writer: int) -> None:
    """Exports for ever."""
    for number in range(1, 10**6):
        steps = 1 + number % 20
        key = results.EntryKey(f"model-{writer}", "DDIMScheduler", steps, None, 0.02, ("tome",))
        entry = results.Entry(key, Config({"tome": {"ratio": 0.5}}), 1.5 + number / 1e4)
        results.merge(path, [entry], force=True)


def beget(path: Path, writer: int) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            export(path, writer)
        finally:
            os._exit(1)
    return pid


def main(path: Path, kills: int, reads: int) -> dict[str, int]:
    rng = random.Random(7)
    writers = {beget(path, number): number for number in range(_WRITERS)}
    found = {"kills": 0, "reads": 0, "torn": 0, "shrunk": 0, "entries": 0}
    start = time.monotonic()
    next_kill = start + 0.5
    while found["kills"] < kills or found["reads"] < reads:
        if time.monotonic() > start + _LONGEST_S:
            break
        if path.exists():
            try:
                n = len(json.loads(path.read_bytes()))
                found["shrunk"] += n < found["entries"] - 2 * _WRITERS
                found["entries"] = max(n, found["entries"])
            except ValueError:
                found["torn"] += 1
            found["reads"] += 1
        if found["kills"] < kills and time.monotonic() > next_kill:
            pid = rng.choice(list(writers))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            found["kills"] += 1
            writers[beget(path, writers.pop(pid))] = found["kills"] % _WRITERS
            next_kill = time.monotonic() + rng.uniform(0.02, 0.12)
        time.sleep(0.002)
    for pid in writers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    key = results.EntryKey("last", "DDIMScheduler", 1, None, 0.02, ("tome",))
    results.merge(path, [results.Entry(key, Config({"tome": {"ratio": 0.5}}), 1.5)])
    found["litter"] = len(list(path.parent.glob(".accel_opt-*")))
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))  # noqa: T201
