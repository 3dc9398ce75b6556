"""Two workers on one study: neither repeats what the other does, and the dead are cleared up."""

from __future__ import annotations

import json

import optuna
import pytest

from accel_opt.core.errors import InputError
from accel_opt.search import search
from accel_opt.search.conditions import settle
from accel_opt.search.leases import LEASE, Leases, Owner, me
from accel_opt.search.ledger import Ledger
from accel_opt.search.lifecycle import create_study
from accel_opt.search.records import ATTRIBUTE
from accel_opt.search.sharing import Sharing
from accel_opt.search.storage import open_storage
from accel_opt.search.study import joined, work
from accel_opt.search.trials import start
from tests.search.tables import evaluate, plan, space, summary

PLAN = plan(trials=6, confirm=False)
DEAD = Owner(me().host, 2**22 - 1, "1", me().place)


def prepared(storage, plan=PLAN):
    """A study that is ready to be searched."""
    study = create_study(open_storage(storage), "search", plan)
    settle(study, space(), plan)
    return study


def sharing(study, lost_after_s=60.0, clock=None):
    extra = {} if clock is None else {"clock": clock}
    leases = Leases(study, lost_after_s=lost_after_s, **extra)
    return Sharing(study, space(), PLAN, 0, Ledger(PLAN.limits), leases)


def begun(study, owner, at=0):
    """A running trial of somebody's."""
    point = (1, *(0 for _ in space().axes[2:]), at)
    setting = space().resolve(point)
    return start(study, space(), setting, {"setting": str(setting.config), LEASE: str(owner)})


def test_a_search_on_a_shared_storage_equals_one_alone(storage):
    alone = search(space(), evaluate, PLAN)
    shared = search(space(), evaluate, PLAN, storage=storage)
    assert summary(shared) == summary(alone)


def test_what_others_told_is_known_and_what_they_evaluate_is_pending(storage):
    study = create_study(open_storage(storage), "search", PLAN)
    work(space(), evaluate, PLAN, storage=storage, study_name="search")
    other = Owner("elsewhere", 5, "1", "boot.1")
    begun(study, other, at=1)
    here = sharing(study)
    assert here.refresh() == 0
    assert len(here.ledger.records) == 6
    assert len(here.ledger.pending) == 1
    here.refresh()
    assert len(here.ledger.records) == 6


def test_a_dead_workers_trial_is_closed_and_tried_again(storage):
    study = prepared(storage)
    trial = begun(study, DEAD, at=1)
    here = sharing(study)
    assert here.refresh() == 1
    assert [record.number for record in here.ledger.retry] == [trial.number]
    assert study.trials[trial.number].state == optuna.trial.TrialState.FAIL
    ended = work(space(), evaluate, PLAN, storage=storage, study_name="search")
    assert ended.code == "trials"
    first = json.loads(study.trials[trial.number].user_attrs[ATTRIBUTE])["key"]
    again = json.loads(study.trials[trial.number + 1].user_attrs[ATTRIBUTE])
    assert (again["key"], again["outcome"] != "interrupted") == (first, True)


def test_a_silent_host_is_waited_for_and_then_replaced(storage):
    study = create_study(open_storage(storage), "search", PLAN)
    begun(study, Owner("elsewhere", 5, "1", "boot.1"), at=1)
    now = [0.0]
    here = sharing(study, clock=lambda: now[0])
    assert here.refresh() == 0
    now[0] = 61.0
    assert here.refresh() == 1
    assert here.ledger.pending == set()


def test_one_that_was_taken_for_dead_loses_its_trial_and_goes_on(storage):
    study = create_study(open_storage(storage), "search", PLAN)
    notices = []

    def slow(config, batch):
        # While this one measures, another takes it for dead.
        for trial in study.get_trials(deepcopy=False):
            if not trial.state.is_finished() and not notices:
                notices.append(trial.number)
                other = sharing(study)
                other.leases.states = lambda leases: dict.fromkeys(leases, "dead")
                other.refresh()
        return evaluate(config, batch)

    said = []
    ended = work(
        space(), slow, PLAN, storage=storage, study_name="search",
        on_event=lambda event: said.append(getattr(event, "text", "")),
    )  # fmt: skip
    assert ended.code == "trials"
    assert any("took this worker for dead" in text for text in said)
    trials = study.get_trials()
    assert trials[notices[0]].state == optuna.trial.TrialState.FAIL
    keys = [
        json.loads(t.user_attrs[ATTRIBUTE])["key"] for t in trials if t.state.name == "COMPLETE"
    ]
    assert len(keys) == len(set(keys)) == 6


def test_the_last_places_are_not_given_twice(storage):
    """With one trial to go and another worker on it, this one waits, and starts nothing."""
    few = plan(trials=1, confirm=False)
    study = prepared(storage, few)
    other = begun(study, Owner("elsewhere", 5, "1", "boot.1"), at=1)
    with joined(study, space(), few, evaluate, lambda event: None) as session:
        step = session._step()
        assert type(step).__name__ == "_Wait"
        assert len(study.get_trials()) == other.number + 1


def test_a_lock_that_broke_gives_the_setting_back(storage):
    study = create_study(open_storage(storage), "search", PLAN)
    with joined(study, space(), PLAN, evaluate, lambda event: None) as session:
        session.lock.held = lambda: False
        assert type(session._step()).__name__ == "_Wait"
    assert study.trials[-1].state == optuna.trial.TrialState.FAIL
    assert json.loads(study.trials[-1].user_attrs[ATTRIBUTE])["outcome"] == "interrupted"


def test_sqlite_is_never_shared(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    with pytest.raises(InputError, match="journal:///"):
        work(space(), evaluate, PLAN, storage=url, study_name="search")
