"""Confirmation: what is fixed beforehand, what holds, what a person is told."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from pathlib import Path

import pytest

from accel_opt.core.errors import EvaluationError, StudyMismatchError, UnknownNameError
from accel_opt.core.events import ConfirmFinished, ConfirmProgress, ConfirmStarted
from accel_opt.core.measurement import Limit
from accel_opt.search import search
from accel_opt.search.confirm_margin import ALPHA, margin
from accel_opt.search.confirm_plan import ConfirmPlan, plan_confirmation
from accel_opt.search.confirm_study import confirm_study, main
from accel_opt.search.ledger import Ledger, fill
from accel_opt.search.looking import confirm_batches, gather
from tests.search.tables import LIMITS, evaluate, plan, space

sys.path.insert(0, str(Path(__file__).parents[2] / "studies" / "benchmarks" / "search"))


def searched(**options):
    return search(space("deepcache"), evaluate, plan(trials=None, **options))


def ledger_of(result):
    return fill(Ledger(LIMITS), result.trials)


def test_candidates_are_fixed_fastest_first():
    result = searched(strategy="enumerate", stop_early=False, confirm=False)
    chosen = plan_confirmation(ledger_of(result), plan())
    gains = [record.gain.value for record in chosen.candidates]
    assert 1 <= len(gains) <= 3
    assert gains == sorted(gains, reverse=True)
    assert chosen.alpha == pytest.approx(ALPHA / len(gains))
    assert 20 <= chosen.n_items <= 60


def test_nothing_feasible_plans_nothing():
    assert plan_confirmation(Ledger(LIMITS), plan()) is None
    assert margin(Ledger(LIMITS), plan(), lambda record: 1.0) == 0.0


def test_seeds_and_items_are_other_than_the_search_s():
    confirmation = ConfirmPlan((), n_items=7, n_passes=2, alpha=0.01)
    batches = confirm_batches(confirmation, plan(batch_size=5))
    assert [batch.item_ids for batch in batches] == [tuple(range(5)), (5, 6)] * 2
    assert len({batch.seed for batch in batches}) == 2
    assert all(batch.phase == "confirm" and batch.seed != 42 for batch in batches)
    assert [batch.index for batch in batches] == [0, 1, 2, 3]


def test_the_winner_carries_both_numbers_and_the_smallest_detectable_loss():
    events = []
    result = search(space("deepcache"), evaluate, plan(trials=None), on_event=events.append)
    assert result.best.confirmed
    assert result.best.found_speedup is not None
    assert result.best.speedup.half_width <= 0.015 * 2
    assert 0 < result.verdicts[-1].detectable < 0.02
    started = [e for e in events if isinstance(e, ConfirmStarted)]
    assert len(started) == sum(isinstance(e, ConfirmFinished) for e in events)
    assert started[0].n_candidates >= 1
    assert started[0].rank == 1
    steps = [e for e in events if isinstance(e, ConfirmProgress) and e.config == started[0].config]
    assert steps[-1].done == steps[-1].total == result.verdicts[0].n_items
    assert [e.done for e in steps] == sorted(e.done for e in steps)


def test_what_does_not_hold_is_not_confirmed_and_says_what_would_tell():
    def fickle(config, batch):
        found = evaluate(config, batch)
        if batch.phase == "search":
            return found
        worse = tuple(score - 0.55 for score in found.scores["clip"])
        return dataclasses.replace(found, scores={"clip": worse})

    result = search(space("deepcache"), fickle, plan(trials=None))
    assert result.confirmed is None
    assert result.best == result.found
    assert not result.best.confirmed
    assert all("held-out items" in verdict.reason for verdict in result.verdicts)


def test_a_candidate_is_looked_at_once(tmp_path):
    looks = []

    def counted(config, batch):
        if batch.phase == "confirm":
            looks.append(config.key)
        return evaluate(config, batch)

    url = f"sqlite:///{tmp_path / 'study.db'}"
    first = search(space("deepcache"), counted, plan(trials=None), storage=url)
    seen = len(looks)
    again = search(space("deepcache"), counted, plan(trials=None), storage=url)
    assert len(looks) == seen
    assert again.best == first.best


def test_going_on_again_and_again_spends_no_more_than_was_promised(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"

    def worse_when_held_out(config, batch):
        found = evaluate(config, batch)
        if batch.phase == "search":
            return found
        scores = {name: tuple(0.9 * s for s in values) for name, values in found.scores.items()}
        return dataclasses.replace(found, scores=scores)

    levels = []
    for trials in (3, 6, 9, 12, 16):
        asked = plan(trials=trials, n_items=10)
        result = search(space("deepcache"), worse_when_held_out, asked, storage=url)
        assert result.confirmed is None
        levels.append(sum(verdict.alpha for verdict in result.verdicts))
    assert levels[0] == pytest.approx(ALPHA)
    assert levels == sorted(levels)
    assert levels[-1] > levels[0]
    assert levels[-1] <= 0.025


def test_a_winner_stays_when_the_search_goes_on(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    first = search(space("deepcache"), evaluate, plan(trials=4), storage=url)
    assert first.confirmed

    def fails_when_held_out(config, batch):
        if batch.phase == "confirm":
            raise EvaluationError("not again")
        return evaluate(config, batch)

    again = search(space("deepcache"), fails_when_held_out, plan(trials=None), storage=url)
    assert len(again.trials) > len(first.trials)
    assert again.confirmed == first.confirmed
    assert again.best == first.best


def test_confirming_under_other_conditions_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    here = plan(trials=3, confirm=False, conditions={"device": "this one"})
    search(space("deepcache"), evaluate, here, storage=url)
    there = dataclasses.replace(here, conditions={"device": "another"})
    with pytest.raises(StudyMismatchError, match="another"):
        confirm_study(url, "search", evaluate, there)
    assert confirm_study(url, "search", evaluate, here)


def test_confirming_a_study_from_its_database(tmp_path, capsys):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    search(space("deepcache"), evaluate, plan(trials=None, confirm=False), storage=url)
    arguments = ["--storage", url, "--evaluate", "tests.search.workers:good"]
    assert main([*arguments, "--study", "search"]) == 0
    assert '"confirmed": true' in capsys.readouterr().out
    assert main([*arguments, "--study", "serch"]) == 2
    assert "did you mean 'search'" in capsys.readouterr().err
    with pytest.raises(UnknownNameError):
        confirm_study(url, "nothing", evaluate)


def test_the_clock_shortens_a_look_but_not_below_the_fewest_items():
    def slow(config, batch):
        time.sleep(0.05 if batch.phase == "confirm" else 0)
        return evaluate(config, batch)

    start = time.monotonic()
    result = search(space("deepcache"), slow, plan(trials=6, confirm_timeout_s=0.3, n_items=10))
    assert time.monotonic() - start < 5
    assert all(verdict.n_items >= 10 for verdict in result.verdicts)


def test_passes_that_the_clock_cut_are_left_out():
    confirmation = ConfirmPlan((), n_items=12, n_passes=3, alpha=0.01)
    record = searched(confirm=False).trials[0]
    asked = plan(batch_size=5)
    whole = gather(record, confirmation, evaluate, asked, ledger=Ledger(LIMITS), deadline=math.inf)
    assert (whole.n_items, whole.n_passes, whole.losses["clip"].n) == (12, 3, 12)
    cut = gather(record, confirmation, evaluate, asked, ledger=Ledger(LIMITS), deadline=0.0)
    assert (cut.n_items, cut.n_passes, cut.losses["clip"].n) == (10, 1, 10)


def test_what_loses_too_much_is_not_timed_further():
    record = searched(confirm=False).trials[0]
    confirmation = ConfirmPlan((record,), n_items=20, n_passes=1, alpha=0.025)

    def batches(worse):
        seen = []

        def shaky(config, batch):
            seen.append(batch.index)
            found = evaluate(config, batch)
            scores = tuple(score - worse for score in found.scores["clip"])
            seconds = (found.seconds[0] * (1.4 if batch.index % 4 < 2 else 0.7),)
            return dataclasses.replace(found, scores={"clip": scores}, seconds=seconds)

        asked = plan(batch_size=5)
        gather(record, confirmation, shaky, asked, ledger=Ledger(LIMITS), deadline=math.inf)
        return seen

    assert batches(5.0) == [0, 1, 2, 3]
    assert len(batches(-5.0)) > 4


def test_unsteady_times_are_marked():
    def shaky(config, batch):
        found = evaluate(config, batch)
        if batch.phase == "search":
            return found
        # One block of the baseline's turns differs from the next.
        swing = 1.4 if batch.index % 4 < 2 else 0.7
        return dataclasses.replace(found, seconds=(found.seconds[0] * swing,))

    result = search(space("deepcache"), shaky, plan(trials=None))
    assert any(not verdict.best.stable for verdict in result.verdicts)


def test_absolute_limits_confirm_too():
    limits = (Limit("clip", 0.02), Limit("psnr", -20.0, relative=False, perfect=0.0))

    def both(config, batch):
        found = evaluate(config, batch)
        psnr = tuple(30 - 400 * (1 - s / 30) ** 2 for s in found.scores["clip"])
        return dataclasses.replace(found, scores={**found.scores, "psnr": psnr})

    result = search(space("deepcache"), both, plan(limits=limits, trials=None))
    assert result.found.losses["psnr"].value == pytest.approx(-29, abs=3)
    assert result.best.losses["psnr"].n >= 20


@pytest.mark.parametrize("world", ["edge", "mixed"])
def test_false_confirmations_are_rare(world):
    from simulate_confirm import simulate

    count = simulate(world, 30, strategy="enumerate")
    assert count["false"] <= 2
    assert world == "edge" or count["confirmed"] >= 8


def test_loss_bounds_are_finite():
    result = searched()
    assert all(math.isfinite(loss.se) for r in result.trials for loss in r.losses.values())
