from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time

import pytest

WRITER = """
import sys
from accel_opt import results
from accel_opt.core.config import Config

path, writer, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
for number in range(1, count + 1):
    key = results.EntryKey(f"model-{writer}", "DDIMScheduler", number, None, 0.02, ("tome",))
    results.merge(path, [results.Entry(key, Config({"tome": {"ratio": 0.5}}), 1.5)])
"""


def _export_together(path, n_writers, n_exports):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(w), str(n_exports)])
        for w in range(n_writers)
    ]
    torn, reads, over = [], [0], threading.Event()

    def poll():
        while not over.is_set():
            if path.exists():
                try:
                    json.loads(path.read_bytes())
                except ValueError as error:
                    torn.append(error)
                reads[0] += 1
            time.sleep(0.005)

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        codes = [writer.wait(timeout=550) for writer in writers]
    finally:
        over.set()
        reader.join()
    assert codes == [0] * n_writers
    assert torn == []
    assert reads[0] > n_exports
    # Each export stands under three keys.
    assert len(json.loads(path.read_text())) == 3 * n_writers * n_exports
    assert [p.name for p in path.parent.glob(".accel_opt-*")] == []


def test_exports_at_once_lose_nothing(tmp_path):
    _export_together(tmp_path / "p.json", 3, 10)


@pytest.mark.slow
def test_eight_processes_of_fifty_exports_lose_nothing(tmp_path):
    _export_together(tmp_path / "p.json", 8, 50)


@pytest.mark.slow
def test_killed_writers_leave_a_whole_file(tmp_path):
    path = tmp_path / "p.json"
    rng, torn, written = random.Random(7), 0, 0
    for number in range(40):
        command = [sys.executable, "-c", WRITER, str(path), str(number), "1000"]
        writer = subprocess.Popen(command)
        last, until = written, time.monotonic() + 60
        while time.monotonic() < until:
            try:
                written = max(written, len(json.loads(path.read_bytes())))
            except FileNotFoundError:
                continue
            except ValueError:
                torn += 1
            if last is not None and written > last:
                # It writes: it is killed within its next few writes.
                last, until = None, time.monotonic() + rng.uniform(0, 0.1)
        writer.kill()
        writer.wait()
        assert len(json.loads(path.read_bytes())) >= written  # nothing that was seen is lost
    assert torn == 0
    assert written > 40
    subprocess.run([sys.executable, "-c", WRITER, str(path), "last", "1"], check=True)
    assert list(tmp_path.glob(".accel_opt-*")) == []
