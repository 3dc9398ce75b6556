"""The life cycle of a study: run, resume, refuse, survive."""

from __future__ import annotations

import dataclasses
import math
import time

import pytest

from accel_opt.core.errors import CorruptFileError, InputError, OutOfMemoryError, StudyMismatchError
from accel_opt.core.events import SearchFinished, TrialFinished
from accel_opt.core.measurement import Limit
from accel_opt.search import search
from tests.search.tables import evaluate, plan, space, summary, work


def url(tmp_path, name="study.db"):
    return f"sqlite:///{tmp_path / name}"


def test_a_small_space_is_searched_and_confirmed():
    events = []
    result = search(space("deepcache"), evaluate, plan(trials=None), on_event=events.append)
    assert result.found.config.to_dict() == {
        "deepcache": {"cache_branch_id": 0, "cache_interval": 3}
    }
    assert result.best.confirmed
    assert result.best.found_speedup.value == pytest.approx(result.best.speedup.value, rel=0.05)
    assert sum(isinstance(e, TrialFinished) for e in events) == len(result.trials)
    assert isinstance(events[-1], SearchFinished)


def test_no_setting_is_evaluated_twice_and_the_space_runs_out():
    result = search(
        space("deepcache"), evaluate, plan(trials=None, strategy="enumerate", confirm=False)
    )
    assert result.ended == "exhausted"
    keys = [record.key for record in result.trials]
    assert len(keys) == len(set(keys)) == 16


SLOWER = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("random", "enumerate", "traversal", "optuna-gp")
]


@pytest.mark.parametrize("strategy", ["gp", "tpe", *SLOWER])
def test_an_interrupted_search_equals_an_uninterrupted_one(tmp_path, strategy):
    whole = search(space(), evaluate, plan(strategy=strategy, confirm=False))
    fuse = 0

    def killed(config, batch):
        nonlocal fuse
        fuse -= 1
        if fuse < 0:
            raise KeyboardInterrupt
        return evaluate(config, batch)

    for blow in range(30):
        fuse = 4 + blow % 4  # a full evaluation takes four batches: at its end, or in the next
        try:
            asked = plan(strategy=strategy, confirm=False)
            resumed = search(space(), killed, asked, storage=url(tmp_path))
            break
        except KeyboardInterrupt:
            continue
    assert summary(resumed) == summary(whole)


def test_resume_goes_on_and_repeats_nothing(tmp_path):
    first = search(space(), evaluate, plan(trials=4, confirm=False), storage=url(tmp_path))
    second = search(space(), evaluate, plan(trials=8, confirm=False), storage=url(tmp_path))
    whole = search(space(), evaluate, plan(trials=8, confirm=False))
    assert summary(second)[:4] == summary(first)
    assert summary(second) == summary(whole)


def test_another_shape_and_other_conditions_are_refused(tmp_path):
    here = plan(conditions={"gpu": "A"}, trials=3, confirm=False)
    search(space(), evaluate, here, storage=url(tmp_path))
    with pytest.raises(StudyMismatchError, match=r"another shape.*items"):
        search(space(), evaluate, dataclasses.replace(here, n_items=30), storage=url(tmp_path))
    with pytest.raises(StudyMismatchError, match="parameters"):
        search(space("tome"), evaluate, here, storage=url(tmp_path))
    moved = dataclasses.replace(here, conditions={"gpu": "B"})
    with pytest.raises(StudyMismatchError, match='gpu "A" there, "B" here'):
        search(space(), evaluate, moved, storage=url(tmp_path))
    drifted = dataclasses.replace(moved, allow_drift=True)
    result = search(space(), evaluate, drifted, storage=url(tmp_path))
    assert len(result.trials) == 3
    assert len(result.study.trials) == 6


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "study.db"
    path.write_text("not a database, but somebody's notes")
    with pytest.raises(CorruptFileError, match="no SQLite database"):
        search(space(), evaluate, plan(), storage=url(tmp_path))
    assert path.read_text() == "not a database, but somebody's notes"


def test_a_database_of_something_else_is_left_alone(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "study.db") as connection:
        connection.execute("create table studies (name text)")
    connection.close()
    before = (tmp_path / "study.db").read_bytes()
    with pytest.raises(InputError):
        search(space(), evaluate, plan(), storage=url(tmp_path))
    assert before[:16] == (tmp_path / "study.db").read_bytes()[:16]


def test_failures_are_kept_and_the_search_goes_on(tmp_path):
    seen = []

    def fragile(config, batch):
        seen.append(config.key)
        found = evaluate(config, batch)
        if len(set(seen)) == 1:
            raise OutOfMemoryError("out of memory at batch size 5")
        if len(set(seen)) == 2:
            return dataclasses.replace(found, scores={"clip": (math.nan,) * 5})
        if len(set(seen)) == 3:
            raise ZeroDivisionError
        return found

    result = search(space(), fragile, plan(trials=6, confirm=False), storage=url(tmp_path))
    outcomes = [record.outcome for record in result.trials]
    assert outcomes[:3] == ["failed"] * 3
    assert "failed" not in outcomes[3:]
    reasons = [record.reason for record in result.trials[:3]]
    assert "memory" in reasons[0]
    assert "nan" in reasons[1]
    assert "ZeroDivisionError" in reasons[2]
    assert len({record.key for record in result.trials}) == 6


def test_five_failures_in_a_row_end_it():
    def broken(config, batch):
        raise RuntimeError("the cable is out")

    result = search(space(), broken, plan(trials=None))
    assert result.ended == "failures"
    assert "the cable is out" in result.why_ended
    assert len(result.trials) == 5
    assert result.best is None


def test_after_the_cable_is_in_again_the_same_command_goes_on(tmp_path):
    plugged = False

    def cable(config, batch):
        if not plugged:
            raise RuntimeError("the cable is out")
        return evaluate(config, batch)

    asked = plan(trials=8, confirm=False)
    first = search(space(), cable, asked, storage=url(tmp_path))
    assert first.ended == "failures"
    plugged = True
    second = search(space(), cable, asked, storage=url(tmp_path))
    assert second.ended == "trials"
    assert len(second.trials) == 8


def test_time_ends_a_search_before_what_cannot_finish():
    def slow(config, batch):
        time.sleep(0.05)
        return evaluate(config, batch)

    start = time.monotonic()
    asked = plan(trials=None, timeout_s=1.5, confirm=False, strategy="random", stop_early=False)
    result = search(space(), slow, asked)
    assert result.ended == "timeout"
    assert "an evaluation takes" in result.why_ended or "used up" in result.why_ended
    assert len(result.trials) >= 2
    assert time.monotonic() - start < 4


def test_every_trial_has_every_constraint_once_and_few_bytes(tmp_path):
    limits = (Limit("clip", 0.02), Limit("ssim", 0.3, relative=False, perfect=1.0))

    def both(config, batch):
        found = evaluate(config, batch)
        ssim = tuple(
            1 - 8 * (1 - s / b)
            for s, b in zip(found.scores["clip"], found.baseline_scores["clip"], strict=True)
        )
        return dataclasses.replace(found, scores={**found.scores, "ssim": ssim})

    result = search(space(), both, plan(limits=limits, confirm=False), storage=url(tmp_path))
    for trial in result.study.trials:
        assert sorted(trial.constraints) == ["clip_loss", "ineligible", "ssim_loss"]
        assert all(math.isfinite(value) for value in trial.constraints.values())
        assert sum(len(k) + len(str(v)) for k, v in trial.user_attrs.items()) < 2000
        assert {"setting", "outcome", "measured"} <= set(trial.user_attrs)


def test_target_mode_stops_at_the_first_that_is_fast_enough():
    result = search(space(), evaluate, plan(trials=None, target_speedup=1.5))
    assert result.ended == "target"
    assert math.exp(result.trials[-1].speed.value) >= 1.5
    assert result.best.confirmed


def test_nothing_feasible_is_said_within_sixty():
    def harsh(config, batch):
        found = evaluate(config, batch)
        return dataclasses.replace(
            found, scores={"clip": tuple(0.9 * s for s in found.scores["clip"])}
        )

    for strategy in ("gp", "random"):
        result = search(space(), harsh, plan(trials=None, strategy=strategy))
        assert result.ended == "infeasible"
        assert len(result.trials) <= 60
        assert result.best is None


def test_an_unchanged_output_never_wins():
    def idle(config, batch):
        found = evaluate(config, batch)
        return dataclasses.replace(
            found, scores=found.baseline_scores, unchanged=True, seconds=(0.01,)
        )

    result = search(space("deepcache"), idle, plan(trials=None))
    assert result.best is None
    assert {record.outcome for record in result.trials} == {"unchanged"}


def test_flops_objective_is_deterministic():
    result = search(space(), evaluate, plan(objective="flops", confirm=False))
    assert result.found.value == pytest.approx(1 / work(result.found.config))


def test_frontier_spreads():
    result = search(space(), evaluate, plan(frontier=True, trials=15))
    losses = [best.score_loss.value for best in result.pareto]
    assert len(losses) >= 3
    assert losses == sorted(losses, reverse=True)
