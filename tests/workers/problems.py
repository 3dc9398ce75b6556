"""Problems that workers are sent by name; the environment says how large and how slow."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from accel_opt.search.workers.problem import Problem
from tests.search import tables


def _slow(config, batch):
    time.sleep(float(os.environ.get("TEST_SECONDS", "0.005")))
    return tables.evaluate(config, batch)


def quick() -> Problem:
    """The analytic world: as many trials as asked, nothing stopped early, no other ending."""
    plan = tables.plan(
        trials=int(os.environ.get("TEST_TRIALS", "40")),
        confirm=os.environ.get("TEST_CONFIRM", "") == "1",
        strategy=os.environ.get("TEST_STRATEGY", "random"),
        infeasible_after=10**9,
        stop_early=False,
        confirm_items=40,
        conditions={"machine": os.environ.get("TEST_MACHINE", "this one")},
    )
    return Problem(tables.space(), _slow, plan)


def failing() -> Problem:
    """Everything fails."""
    return replace(quick(), evaluate=_fails)


def _fails(config, batch):
    raise RuntimeError("the cable is out")


def sick() -> Problem:
    """Some settings give scores that are no numbers, some hang, and some kill their process."""
    made = quick()
    plan = replace(made.plan, trial_timeout_s=3.0, max_failures=1000)
    return Problem(made.space, "tests.workers.problems:sick_evaluate", plan)


def sick_evaluate(config, batch):
    kind = int(config.key[:2], 16) % 8
    found = tables.evaluate(config, batch)
    if kind == 0:
        return replace(found, scores={"clip": tuple(float("nan") for _ in batch.item_ids)})
    if kind == 1:
        time.sleep(3600)
    if kind == 2:
        os._exit(9)
    return found
