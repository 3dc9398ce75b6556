"""Leases: who is dead, who is only slow; no two clocks are compared."""

from __future__ import annotations

import os
import subprocess
import sys

import optuna
import pytest

from accel_opt.search.leases import BEAT, Leases, Owner, me


@pytest.fixture
def study():
    return optuna.create_study()


def elsewhere(**other):
    here = me()
    facts = {"host": "elsewhere", "pid": here.pid, "started": "7", "place": "boot.1"}
    return Owner(**{**facts, **other})


def test_a_lease_survives_being_text():
    assert Owner.from_text(str(me())) == me()
    assert Owner.from_text("") is None
    assert Owner.from_text("host:pid:started") is None


def test_this_process_is_mine_and_its_parent_alive():
    assert me().state() == "mine"
    assert Owner(me().host, os.getppid(), "0", me().place).state() == "dead"  # the pid is another's


def test_a_killed_process_is_dead_even_before_its_parent_hears():
    process = subprocess.Popen(
        [sys.executable, "-c", "from accel_opt.search.leases import me; print(me()); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    owner = Owner.from_text(process.stdout.readline().strip())
    assert owner.state() == "alive"
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert owner.state() == "dead"
    process.communicate()


def test_the_same_host_name_in_another_container_is_unknown():
    assert Owner(me().host, 1, "1", "otherboot.2").state() == "unknown"


def test_a_silent_host_is_dead_after_a_while_of_the_watchers_own_clock(study):
    now = [1000.0]
    leases = Leases(study, lost_after_s=60, clock=lambda: now[0])
    lease = str(elsewhere())
    study.set_user_attr(f"{BEAT}{lease}", 5)
    assert leases.states({lease})[lease] == "unknown"
    now[0] += 59
    assert leases.states({lease})[lease] == "unknown"
    now[0] += 2
    assert leases.states({lease})[lease] == "dead"


def test_a_slow_host_that_beats_is_never_dead(study):
    now = [0.0]
    leases = Leases(study, lost_after_s=60, clock=lambda: now[0])
    lease = str(elsewhere())
    for count in range(20):
        study.set_user_attr(f"{BEAT}{lease}", count)
        assert leases.states({lease})[lease] == "unknown"
        now[0] += 50


def test_a_host_that_never_beat_is_given_the_same_while(study):
    now = [0.0]
    leases = Leases(study, lost_after_s=60, clock=lambda: now[0])
    lease = str(elsewhere())
    assert leases.states({lease})[lease] == "unknown"
    now[0] += 61
    assert leases.states({lease})[lease] == "dead"


def test_beats_count_up(study):
    with Leases(study, beat_s=0.01):
        for _ in range(500):
            if study.user_attrs.get(f"{BEAT}{me()}", 0) > 2:
                return
            os.sched_yield()
            __import__("time").sleep(0.01)
    pytest.fail("no beats")
