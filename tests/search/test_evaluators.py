"""Evaluators by name: processes that hang, die, and are confirmed afresh."""

from __future__ import annotations

import os

import pytest

from accel_opt.core.config import Config
from accel_opt.core.errors import EvaluationError, InputError, OutOfMemoryError
from accel_opt.core.measurement import Batch
from accel_opt.search import search
from accel_opt.search.evaluators import ChildEvaluator, HangError, opened, resolve
from tests.search.tables import evaluate, plan, space

HERE = "tests.search.workers"
SETTING = Config({"deepcache": {"cache_interval": 3, "cache_branch_id": 0}})
BATCH = Batch(0, (0, 1, 2, 3, 4), 42)


@pytest.fixture
def child():
    made = []

    def make(name, timeout_s=None):
        made.append(ChildEvaluator(f"{HERE}:{name}", timeout_s))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_child_measures_the_same_and_prints_what_it_likes(child):
    assert child("good")(SETTING, BATCH) == evaluate(SETTING, BATCH)


def test_a_factory_gets_its_text(child):
    assert resolve(f"{HERE}:made_from#good")(SETTING, BATCH) == evaluate(SETTING, BATCH)
    found = child("made_from#pid")(SETTING, BATCH)
    assert int(found.artifacts["pid"]) != os.getpid()


def test_a_hang_is_killed_and_the_next_setting_is_measured(child):
    one = child("hangs_at_branch_zero", 3.0)
    with pytest.raises(HangError, match="no answer within 3 s"):
        one(SETTING, BATCH)
    gentle = Config({"deepcache": {"cache_interval": 3, "cache_branch_id": 1}})
    assert one(gentle, BATCH) == evaluate(gentle, BATCH)


def test_death_and_memory_are_told_apart(child):
    with pytest.raises(EvaluationError, match=r"died \(exit status 3\)"):
        child("dies_at_branch_zero")(SETTING, BATCH)
    with pytest.raises(OutOfMemoryError, match="batch size 5"):
        child("out_of_memory")(SETTING, BATCH)


def test_a_search_survives_hangs_and_confirms_in_a_fresh_process():
    result = search(
        space("deepcache"),
        f"{HERE}:hangs_at_branch_zero",
        plan(trials=None, trial_timeout_s=2.0, strategy="traversal", max_failures=3),
    )
    assert result.ended == "failures"
    assert all("no answer within 2 s" in record.reason for record in result.trials)


def test_a_trial_of_slow_batches_has_its_limit_too():
    asked = plan(trials=1, trial_timeout_s=0.12, confirm=False, n_items=60, stop_early=False)
    result = search(space("deepcache"), f"{HERE}:slow", asked)
    assert "limit is 0.12 s" in result.trials[0].reason or "within 0.12" in result.trials[0].reason


def test_confirmation_by_name_is_fresh():
    result = search(space("deepcache"), f"{HERE}:good", plan(trials=None))
    assert result.best.confirmed
    assert result.fresh_process


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "module:function"),
        ("no.such:thing", "cannot be imported"),
        (f"{HERE}:missing", "cannot be imported"),
        (f"{HERE}:__name__", "not callable"),
    ],
)
def test_names_that_lead_nowhere(name, message):
    with pytest.raises(InputError, match=message):
        resolve(name)


def test_a_child_that_cannot_start_is_bad_input(child):
    with pytest.raises(InputError, match="cannot be imported"):
        child("missing")(SETTING, BATCH)


def test_a_callable_cannot_have_a_time_limit():
    with pytest.raises(InputError, match="cannot be killed"), opened(evaluate, 1.0, fresh=False):
        pass
