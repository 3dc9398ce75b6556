"""Evaluators that other processes import by name."""

from __future__ import annotations

import os
import sys
import time

from accel_opt.core.errors import EvaluationError, OutOfMemoryError
from tests.search.tables import evaluate


def good(config, batch):
    print("noise on stdout")  # noqa: T201
    return evaluate(config, batch)


def hangs_at_branch_zero(config, batch):
    if config["deepcache"]["cache_branch_id"] == 0:
        time.sleep(60)
    return evaluate(config, batch)


def dies_at_branch_zero(config, batch):
    if config["deepcache"]["cache_branch_id"] == 0:
        os._exit(3)
    return evaluate(config, batch)


def out_of_memory(config, batch):
    raise OutOfMemoryError("out of memory at batch size 5")


def slow(config, batch):
    time.sleep(0.05)
    return evaluate(config, batch)


def with_pid(config, batch):
    found = evaluate(config, batch)
    found.artifacts["pid"] = str(os.getpid())
    return found


class Ahead:
    """Generates now, scores later."""

    def __call__(self, config, batch):
        return self.begin(config, batch)()

    def begin(self, config, batch):
        if 98 in batch.item_ids:
            raise EvaluationError("cannot generate 98")

        def finish():
            time.sleep(0.02)
            if 99 in batch.item_ids:
                raise EvaluationError("cannot score 99")
            return evaluate(config, batch)

        return finish


ahead = Ahead()


def made_from(text):
    sys.stderr.write(f"made from {text}\n")
    return {"good": good, "pid": with_pid}[text]
