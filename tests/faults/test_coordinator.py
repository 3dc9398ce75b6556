"""A coordinator and its workers through one misfortune after the other, on one study."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.faults.accounts import account, assert_sound, study_of

TRIALS = 90
PROGRAM = """
import json, sys
import accel_opt
from accel_opt.core.events import Notice, TrialFinished

def say(event):
    if isinstance(event, TrialFinished):
        print(json.dumps({"told": event.number}), flush=True)
    elif isinstance(event, Notice):
        print(json.dumps({"notice": event.text}), flush=True)

result = accel_opt.search(
    problem="tests.workers.problems:quick", workers=2, storage=sys.argv[1], study="siege",
    out=sys.argv[2], on_event=say,
)
print(json.dumps({"ended": result.ended, "best": str(result.best.config)}), flush=True)
"""


class Coordinator:
    """The program above, and what it said."""

    def __init__(self, url, folder, root):
        environment = {
            "TEST_TRIALS": str(TRIALS), "TEST_SECONDS": "0.02", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, url, str(folder)],
            cwd=root,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = []

    def until_told(self, n):
        """Reads until so many more trials were told."""
        while n:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()[-2000:]
            self.said.append(json.loads(line))
            n -= "told" in self.said[-1]

    def finish(self):
        out, errors = self.process.communicate(timeout=240)
        self.said += [json.loads(line) for line in out.splitlines()]
        return errors

    @property
    def told(self):
        return [line["told"] for line in self.said if "told" in line]

    @property
    def workers(self):
        """Process numbers of its children."""
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(path) as file:  # noqa: PTH123
            return [int(pid) for pid in file.read().split()]


def gone(pids, limit_s=60):
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        if not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]:  # noqa: PTH110
            return True
        time.sleep(0.1)
    return False


@pytest.mark.slow
def test_one_misfortune_after_the_other(journal, tmp_path, root, figures, poller):
    told, faults = [], 0
    with poller(journal) as polled:
        # A worker dies and is started again; then the coordinator is killed.
        first = Coordinator(journal, tmp_path, root)
        first.until_told(4)
        os.kill(first.workers[0], signal.SIGKILL)
        first.until_told(8)
        orphans = first.workers
        first.process.kill()
        first.finish()
        told += first.told
        faults += 2
        assert any("started again" in line.get("notice", "") for line in first.said)
        assert gone(orphans), "workers outlive their coordinator"

        # Ctrl-C once: settings are given back, nothing is left running.
        second = Coordinator(journal, tmp_path, root)
        second.until_told(8)
        children = second.workers
        second.process.send_signal(signal.SIGINT)
        second.finish()
        told += second.told
        faults += 1
        assert gone(children)
        assert account(journal)["zombies"] == 0

        # Ctrl-C twice, and SIGTERM to the workers at the same moment.
        third = Coordinator(journal, tmp_path, root)
        third.until_told(8)
        children = third.workers
        third.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        third.process.send_signal(signal.SIGINT)
        third.finish()
        told += third.told
        faults += 1
        assert gone(children)

        last = Coordinator(journal, tmp_path, root)
        errors = last.finish()
    assert last.process.returncode == 0, errors[-2000:]
    assert last.said[-1]["ended"] == "trials"
    state = account(journal, told + last.told)
    figures(
        faults=faults, trials=state["completed"], lost=state["lost"],
        duplicates=state["duplicates"], zombies=state["zombies"], polls=polled.polls,
        failed_polls=len(polled.failures),
    )  # fmt: skip
    assert_sound(state)
    assert state["completed"] == TRIALS
    assert polled.failures == []
    assert study_of(journal).user_attrs["accel_opt:conditions"].count("{") == 1


@pytest.mark.slow
def test_a_worker_that_always_fails_ends_the_search(journal, tmp_path, root):
    program = PROGRAM.replace("problems:quick", "problems:failing").replace(
        "str(result.best.config)", "None"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, journal, str(tmp_path)],
        cwd=root,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["ended"] == "failures", done.stderr[-2000:]
    # Each of the two finds out for itself, so the rule's five failures may be met twice: when one
    # has ended before the other begins. Never more: nobody goes on after five of its own.
    assert 5 <= account(journal)["interrupted"] <= 2 * 5
