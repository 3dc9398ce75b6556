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
from accel_opt.search.evaluators import ChildEvaluator, HangError
from accel_opt.search.ledger import Ledger
from accel_opt.search.looking import gather
from tests.search.tables import LIMITS, evaluate, plan, space
from tests.search.workers import ahead

SETTING = Config({"deepcache": {"cache_interval": 3, "cache_branch_id": 1}})
BATCHES = [Batch(i, (2 * i, 2 * i + 1), 42, timed=i == 0) for i in range(4)]


class Logged:
    """An evaluator that generates ahead, and what happened to it."""

    def __init__(self):
        self.log = []

    def __call__(self, config, batch):
        return self.begin(config, batch)()

    def begin(self, config, batch):
        self.log.append(f"begin {batch.index}")

        def finish():
            self.log.append(f"finish {batch.index}")
            return evaluate(config, batch)

        return finish


def measured(evaluator, batches=BATCHES):
    found = []
    in_order(evaluator, SETTING, batches, lambda batch, one: found.append((batch, one)))
    return found


def item(number):
    """A batch of an item that `workers.ahead` stumbles over."""
    return replace(BATCHES[1], item_ids=(number,))


def test_the_next_is_begun_before_the_last_is_waited_for():
    logged = Logged()
    assert measured(logged) == [(batch, evaluate(SETTING, batch)) for batch in BATCHES]
    assert logged.log == [
        *("begin 0", "begin 1", "finish 0", "begin 2"),
        *("finish 1", "begin 3", "finish 2", "finish 3"),
    ]
    assert measured(Logged(), []) == []


def test_without_begin_nothing_is_drawn_early():
    drawn, taken = [], []

    def take(batch, found):
        taken.append(batch)
        assert drawn == taken
        assert found == evaluate(SETTING, batch)

    in_order(evaluate, SETTING, (drawn.append(b) or b for b in BATCHES), take)
    assert taken == BATCHES


def test_what_was_begun_is_ended_when_a_measurement_is_refused():
    logged = Logged()

    def take(batch, found):
        raise EvaluationError("a score is not a number")

    with pytest.raises(EvaluationError, match="not a number"):
        in_order(logged, SETTING, BATCHES, take)
    assert logged.log == ["begin 0", "begin 1", "finish 0", "finish 1"]


def test_nobody_who_interrupts_waits_for_what_was_begun():
    logged = Logged()

    def take(batch, found):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_order(logged, SETTING, BATCHES, take)
    assert logged.log == ["begin 0", "begin 1", "finish 0"]


def test_a_look_gathers_the_same():
    record = search(space("deepcache"), evaluate, plan(trials=1, confirm=False)).trials[0]
    confirmation, asked = ConfirmPlan((), n_items=60, n_passes=1, alpha=0.01), plan(batch_size=5)

    def look(evaluator, deadline=math.inf):
        ledger = Ledger(LIMITS)
        return gather(record, confirmation, evaluator, asked, ledger=ledger, deadline=deadline)

    assert look(Logged()) == look(evaluate)
    # Two batches are the fewest that a look has; none is begun after them.
    logged, late = Logged(), time.monotonic() - 1
    assert look(logged, late) == look(evaluate, late)
    assert logged.log == ["begin 0", "begin 1", "finish 0", "finish 1"]


@pytest.fixture
def child():
    one = ChildEvaluator("tests.search.workers:ahead", 20.0)
    yield one
    one.close()


def test_a_process_of_its_own_goes_ahead_too(child):
    assert child.begin is not None
    assert measured(child) == [(batch, ahead(SETTING, batch)) for batch in BATCHES]


def test_a_process_whose_evaluator_does_not_is_asked_one_by_one():
    one = ChildEvaluator("tests.search.workers:good", 20.0)
    assert one.begin is None
    assert one(SETTING, BATCHES[0]) == evaluate(SETTING, BATCHES[0])
    one.close()


def test_an_answer_that_nobody_waits_for_is_not_taken_for_another(child):
    child.begin(SETTING, BATCHES[0])
    child.begin(SETTING, BATCHES[1])
    assert child(SETTING, BATCHES[2]) == ahead(SETTING, BATCHES[2])


@pytest.mark.parametrize(
    ("number", "message"), [(98, "cannot generate"), (99, "cannot score"), (97, "plain numbers")]
)
def test_what_fails_in_either_half_fails_its_setting_alone(child, number, message):
    with pytest.raises(EvaluationError, match=message):
        measured(child, [BATCHES[0], item(number), BATCHES[2]])
    assert child(SETTING, BATCHES[3]) == ahead(SETTING, BATCHES[3])


@pytest.mark.parametrize("number", [95, 96])
def test_an_evaluator_that_exits_in_either_half_is_dead_not_mute(child, number):
    before = [BATCHES[0], item(number), BATCHES[2]]
    with pytest.raises(EvaluationError, match=r"died \(exit status"):
        measured(child, before)
    assert child(SETTING, BATCHES[3]) == ahead(SETTING, BATCHES[3])


def test_an_evaluator_without_begin_that_exits_is_dead_too():
    one = ChildEvaluator("tests.search.workers:exits", None)
    with pytest.raises(EvaluationError, match=r"died \(exit status 3\)"):
        one(SETTING, BATCHES[0])
    one.close()


def test_the_next_setting_does_not_answer_for_a_batch_that_hangs():
    one = ChildEvaluator("tests.search.workers:ahead", 3.0)
    with pytest.raises(EvaluationError, match="cannot score"):
        measured(one, [item(99), item(94)])
    assert one(SETTING, BATCHES[0]) == ahead(SETTING, BATCHES[0])
    with pytest.raises(HangError, match="no answer within 3 s"):
        measured(one, [BATCHES[0], item(94), BATCHES[1]])
    one.close()


def test_answers_of_a_process_that_was_closed_are_gone(child):
    finish = child.begin(SETTING, BATCHES[0])
    child.close()
    assert child(SETTING, BATCHES[1]) == ahead(SETTING, BATCHES[1])
    with pytest.raises(EvaluationError, match="process is gone"):
        finish()
