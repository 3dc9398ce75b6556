"""One batch begun before the last one's scores are asked for."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest

from accel_opt.core.config import Config
from accel_opt.core.errors import EvaluationError
from accel_opt.core.measurement import Batch
from accel_opt.search import search
from accel_opt.search.ahead import in_order
from accel_opt.search.confirm_plan import ConfirmPlan
from accel_opt.search.evaluators import ChildEvaluator
from accel_opt.search.ledger import Ledger
from accel_opt.search.looking import gather
from tests.search.tables import LIMITS, evaluate, plan, space
from tests.search.workers import ahead

SETTING = Config({"deepcache": {"cache_interval": 3, "cache_branch_id": 1}})
BATCHES = [Batch(i, (2 * i, 2 * i + 1), 42, timed=i == 0) for i in range(4)]


class Logged:
    """An evaluator that generates ahead, and what happened to it."""

    def __init__(self):
        self.log, self.batches = [], []

    def __call__(self, config, batch):
        return self.begin(config, batch)()

    def begin(self, config, batch):
        self.log.append(f"begin {batch.index}")
        self.batches.append(batch)

        def finish():
            self.log.append(f"finish {batch.index}")
            return evaluate(config, batch)

        return finish


def test_the_next_is_begun_before_the_last_is_waited_for():
    logged = Logged()
    found = list(in_order(logged, SETTING, BATCHES))
    assert found == [(batch, evaluate(SETTING, batch)) for batch in BATCHES]
    assert logged.log == [
        *("begin 0", "begin 1", "finish 0", "begin 2"),
        *("finish 1", "begin 3", "finish 2", "finish 3"),
    ]


def test_without_begin_nothing_is_drawn_early():
    seen = []
    for batch, _ in in_order(evaluate, SETTING, (seen.append(b) or b for b in BATCHES)):
        assert seen[-1] == batch


def test_no_batches():
    assert list(in_order(Logged(), SETTING, [])) == []


def test_a_look_gathers_the_same_and_stops_timing_when_the_speed_is_steady():
    record = search(space("deepcache"), evaluate, plan(trials=1, confirm=False)).trials[0]
    confirmation, asked = ConfirmPlan((), n_items=60, n_passes=1, alpha=0.01), plan(batch_size=5)
    logged = Logged()

    def look(evaluator):
        ledger = Ledger(LIMITS)
        return gather(record, confirmation, evaluator, asked, ledger=ledger, deadline=math.inf)

    assert look(logged) == look(evaluate)
    alone = [batch.alone for batch in logged.batches]
    # Eight are timed each way; the ninth and tenth are begun before the eighth is known.
    assert alone == [True] * 9 + [False] * 3


def test_the_clock_ends_a_look_that_goes_ahead():
    record = search(space("deepcache"), evaluate, plan(trials=1, confirm=False)).trials[0]
    confirmation, asked = ConfirmPlan((), n_items=60, n_passes=1, alpha=0.01), plan(batch_size=5)
    logged = Logged()
    seen = gather(
        record, confirmation, logged, asked, ledger=Ledger(LIMITS), deadline=time.monotonic() - 1
    )
    assert seen.n_items == 10
    assert logged.log.count("begin 1") == 1
    assert "begin 2" not in logged.log


@pytest.fixture
def child():
    one = ChildEvaluator("tests.search.workers:ahead", 20.0)
    yield one
    one.close()


def test_a_process_of_its_own_goes_ahead_too(child):
    assert child.begin is not None
    found = list(in_order(child, SETTING, BATCHES))
    assert [one for _, one in found] == [ahead(SETTING, batch) for batch in BATCHES]


def test_a_process_whose_evaluator_does_not_is_asked_one_by_one():
    one = ChildEvaluator("tests.search.workers:good", 20.0)
    assert one.begin is None
    assert one(SETTING, BATCHES[0]) == evaluate(SETTING, BATCHES[0])
    one.close()
    assert one.begin is None


def test_an_answer_that_nobody_waits_for_is_not_taken_for_another(child):
    child.begin(SETTING, BATCHES[0])
    child.begin(SETTING, BATCHES[1])
    assert child(SETTING, BATCHES[2]) == ahead(SETTING, BATCHES[2])


def test_what_fails_in_either_half_fails_its_batch_alone(child):
    for item, message in ((98, "cannot generate 98"), (99, "cannot score 99")):
        bad = replace(BATCHES[1], item_ids=(item,))
        with pytest.raises(EvaluationError, match=message):
            list(in_order(child, SETTING, [BATCHES[0], bad, BATCHES[2]]))
    assert child(SETTING, BATCHES[3]) == ahead(SETTING, BATCHES[3])


def test_answers_of_a_process_that_was_closed_are_gone(child):
    finish = child.begin(SETTING, BATCHES[0])
    child.close()
    with pytest.raises(EvaluationError, match="process is gone"):
        finish()
