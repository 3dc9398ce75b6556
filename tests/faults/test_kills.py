"""Workers that are killed at any moment: nothing told is lost, nothing is done twice."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys

import pytest

from tests.faults.accounts import account, assert_sound

TRIALS, KILLS = 300, 64


def besiege(url, root, *, trials=TRIALS, during=lambda: None, **options):
    """Workers under siege until the study is complete; what they acknowledged."""
    order = {"storage": url, "study": "siege", "trials": trials, **options}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.nursery", json.dumps(order)],
        cwd=root,
        env={**os.environ, "TEST_TRIALS": str(trials), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    during()
    said, errors = process.communicate(timeout=400)
    assert process.returncode == 0, errors[-2000:]
    return json.loads(said), errors


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", "SIGHUP"])
def test_workers_killed_over_300_trials(storage, root, figures, poller, how):
    kills = KILLS if how == "SIGKILL" else 20
    trials = TRIALS if how == "SIGKILL" else 100
    with poller(storage) as polled:
        found, errors = besiege(
            storage, root, trials=trials, kills=kills, signal=int(getattr(signal, how))
        )
    assert not found["timed out"], (found["statuses"], errors[-2000:])
    state = account(storage, found["acknowledged"])
    figures(
        kills=found["killed"], trials=state["completed"], interrupted=state["interrupted"],
        lost=state["lost"], duplicates=state["duplicates"], zombies=state["zombies"],
        polls=polled.polls, failed_polls=len(polled.failures),
    )  # fmt: skip
    assert found["killed"] == kills
    assert state["completed"] == trials
    assert_sound(state)
    assert polled.failures == []
    assert polled.polls > 20


@pytest.mark.slow
def test_postgresql_restarted_in_mid_search(cluster, root, figures, poller):
    import threading
    import time

    url = cluster.url("restarted")

    def completed():
        with contextlib.suppress(KeyError):
            return account(url)["completed"]
        return 0

    def restarts():
        told = 0
        for how in ("fast", "immediate"):
            # In mid-search: workers that have not begun yet are refused, and started again.
            told += 30
            while completed() < told:
                time.sleep(0.2)
            cluster.restart(1.0, how)

    thread = threading.Thread(target=restarts)
    with poller(url) as polled:
        found, errors = besiege(url, root, trials=200, kills=0, during=thread.start)
        thread.join()
    state = account(url, found["acknowledged"])
    figures(restarts=2, statuses=found["statuses"], **state, polls=polled.polls)
    assert polled.failures == []
    assert found["statuses"] == {"0": 4}, errors[-2000:]
    assert state["completed"] == 200
    assert_sound(state)
