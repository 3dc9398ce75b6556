"""Ray places workers on a real cluster of two nodes, restarts the dead, and drains."""

from __future__ import annotations

import collections
import os
import signal
import subprocess
import sys
import time

import pytest

from accel_opt.core.events import Notice, TrialFinished
from accel_opt.search.leases import LEASE, Owner
from tests.faults.accounts import account, assert_sound, study_of

pytest.importorskip("ray", reason="Ray is not installed (accel_opt[ray])")
pytestmark = pytest.mark.slow

TRIALS = 40
PROGRAM = """
import sys, accel_opt
from accel_opt.core.events import TrialFinished

def say(event):
    if isinstance(event, TrialFinished):
        print(event.number, flush=True)

accel_opt.search(
    problem="tests.workers.problems:quick", workers=2, engine="ray", ray_address=sys.argv[2],
    storage=sys.argv[1], study="siege", out=sys.argv[3], on_event=say,
)
"""


@pytest.fixture(scope="module")
def nodes():
    """Two nodes with one processor each; what they run inherits the environment."""
    from ray.cluster_utils import Cluster as RayCluster

    given = {"TEST_TRIALS": str(TRIALS), "TEST_SECONDS": "0.03", "OMP_NUM_THREADS": "1"}
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    cluster = RayCluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        cluster.add_node(num_cpus=1)
        yield cluster.address
    finally:
        cluster.shutdown()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def search(url, address, folder, on_event=lambda event: None):
    import accel_opt

    return accel_opt.search(
        problem="tests.workers.problems:quick", workers=2, engine="ray", ray_address=address,
        storage=url, study="siege", out=folder, on_event=on_event,
    )  # fmt: skip


def owners(url):
    return collections.Counter(t.user_attrs[LEASE] for t in study_of(url).trials)


def test_one_worker_on_each_node(nodes, storage, tmp_path):
    handler, told = signal.getsignal(signal.SIGTERM), []
    result = search(storage, nodes, tmp_path, told.append)
    assert result.ended == "trials"
    assert len(owners(storage)) == 2
    assert sum(isinstance(event, TrialFinished) for event in told) >= TRIALS
    state = account(storage)
    assert state["completed"] == TRIALS
    assert_sound(state)
    assert signal.getsignal(signal.SIGTERM) is handler


def test_a_killed_worker_is_started_again(nodes, journal, tmp_path):
    killed, notices = [], []

    def kill_one(event):
        if isinstance(event, Notice):
            notices.append(event.text)
        if isinstance(event, TrialFinished) and not killed and event.number > 4:
            running = [t for t in study_of(journal).trials if not t.state.is_finished()]
            if running:
                killed.append(Owner.from_text(running[0].user_attrs[LEASE]).pid)
                os.kill(killed[0], signal.SIGKILL)

    result = search(journal, nodes, tmp_path, kill_one)
    assert killed
    assert any("started again" in text for text in notices)
    assert result.ended == "trials"
    state = account(journal)
    assert state["completed"] == TRIALS
    assert_sound(state)


def test_ctrl_c_gives_the_settings_back(nodes, journal, tmp_path, root):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, journal, nodes, str(tmp_path)],
        cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    told = [int(process.stdout.readline()) for _ in range(6)]
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    told += [int(line) for line in out.split()]
    until = time.monotonic() + 30
    while account(journal)["zombies"] and time.monotonic() < until:
        time.sleep(0.2)
    assert account(journal, told)["zombies"] == 0
    assert account(journal, told)["completed"] < TRIALS
    search(journal, nodes, tmp_path)
    state = account(journal, told)
    assert state["completed"] == TRIALS
    assert_sound(state)


def test_a_refused_worker_says_why(nodes, journal, tmp_path):
    import accel_opt
    from accel_opt.core.errors import InputError

    with pytest.raises(InputError, match="cannot be imported"):
        accel_opt.search(
            problem="tests.workers.problems:none", workers=2, engine="ray", ray_address=nodes,
            storage=journal, study="siege", out=tmp_path,
        )  # fmt: skip
