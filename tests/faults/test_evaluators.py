"""Evaluators that give no numbers, hang, or take their process with them, under two workers."""

from __future__ import annotations

import json

import pytest

from accel_opt.search.records import ATTRIBUTE
from tests.faults.accounts import account, study_of
from tests.faults.test_kills import besiege

TRIALS = 24
REASONS = {0: "nan", 1: "hang", 2: "died"}


@pytest.mark.slow
def test_sick_evaluators_fail_their_trial_only(journal, root, figures, poller):
    with poller(journal) as polled:
        found, errors = besiege(
            journal, root, trials=TRIALS, kills=0, workers=2, problem="tests.workers.problems:sick"
        )
    assert polled.failures == []
    assert found["statuses"] == {"0": 2}, errors[-2000:]
    counts = dict.fromkeys(REASONS.values(), 0)
    trials = study_of(journal).trials
    keys = [json.loads(trial.user_attrs[ATTRIBUTE])["key"] for trial in trials]
    for trial, key in zip(trials, keys, strict=True):
        kind = int(key[:2], 16) % 8
        if kind not in REASONS:
            assert trial.state.name == "COMPLETE"
            continue
        assert trial.state.name == "FAIL"
        assert REASONS[kind] in trial.user_attrs["outcome"].lower()
        counts[REASONS[kind]] += 1
    state = account(journal)
    figures(**counts, completed=state["completed"], zombies=state["zombies"])
    assert len(keys) == len(set(keys)) == TRIALS
    assert state["zombies"] == 0
    assert all(counts.values()), counts
