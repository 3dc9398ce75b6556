"""Processes that are killed: nothing told is lost, nothing is repeated."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from accel_opt.core.errors import InputError
from accel_opt.search import search
from accel_opt.search.lifecycle import LEASE
from accel_opt.search.records import ATTRIBUTE
from tests.search.tables import evaluate, plan, space, summary

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from accel_opt.search import search
from tests.search.tables import plan, space
from tests.search.workers import slow
search(space(), slow, plan(trials=10, confirm=False), storage=sys.argv[1])
"""


def start(url):
    return subprocess.Popen([sys.executable, "-c", PROGRAM, url], cwd=ROOT, stderr=subprocess.PIPE)


def test_kill_nine_at_any_moment_changes_nothing(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    rng = random.Random(1)
    for _ in range(3):
        process = start(url)
        time.sleep(2.0 + rng.random() * 1.5)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    result = search(space(), evaluate, plan(trials=10, confirm=False), storage=url)
    assert summary(result) == summary(search(space(), evaluate, plan(trials=10, confirm=False)))
    assert all(trial.state.is_finished() for trial in result.study.trials)


def refusal(url):
    """What a search beside a living one is told; it may come before the first trial."""
    for _ in range(60):
        time.sleep(0.1)
        try:
            search(space(), evaluate, plan(trials=1, confirm=False), storage=url)
        except InputError as error:
            return str(error)
    return "nothing"


def test_a_second_process_on_the_same_database_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    process = start(url)
    try:
        message = refusal(url)
        assert f"searched by process {process.pid}" in message
    finally:
        process.kill()
        process.communicate()


def test_death_while_telling_keeps_the_measurement(tmp_path, monkeypatch):
    import optuna

    url = f"sqlite:///{tmp_path / 'study.db'}"
    told = 0
    real = optuna.storages.RDBStorage.set_trial_state_values

    def dying(self, *args, **kwargs):
        nonlocal told
        told += 1
        if told == 3:
            raise SystemExit(9)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(optuna.storages.RDBStorage, "set_trial_state_values", dying)
    with pytest.raises(SystemExit):
        search(space(), evaluate, plan(trials=6, confirm=False), storage=url)
    monkeypatch.setattr(optuna.storages.RDBStorage, "set_trial_state_values", real)
    study = optuna.load_study(study_name="search", storage=url)
    left = [t for t in study.trials if not t.state.is_finished()]
    assert len(left) == 1
    assert {LEASE, ATTRIBUTE} <= set(left[0].user_attrs)
    result = search(space(), evaluate, plan(trials=6, confirm=False), storage=url)
    assert len(result.study.trials) == 6
    whole = search(space(), evaluate, plan(trials=6, confirm=False))
    assert summary(result) == summary(whole)
