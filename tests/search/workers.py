"""Evaluators that other processes import by name."""

from __future__ import annotations

import dataclasses
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


def exits(config, batch):
    sys.exit(3)


class Ahead:
    """Generates now, scores later, and stumbles over items of 94 to 99."""

    def __call__(self, config, batch):
        return self.begin(config, batch)()

    def begin(self, config, batch):
        (item, *_) = batch.item_ids
        if item == 94:
            time.sleep(60)
        if item == 95:
            sys.exit(5)
        if item == 98:
            raise EvaluationError("cannot generate")

        def finish():
            time.sleep(0.02)
            if item == 96:
                sys.exit(6)
            if item == 99:
                raise EvaluationError("cannot score")
            found = evaluate(config, batch)
            return dataclasses.replace(found, note=object()) if item == 97 else found

        return finish


ahead = Ahead()


def made_from(text):
    sys.stderr.write(f"made from {text}\n")
    return {"good": good, "pid": with_pid}[text]
