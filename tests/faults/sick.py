"""A worker on a sick machine: in a process of its own, so that limits end with it.

python -m tests.faults.sick STORAGE [file-size-limit in bytes] [clock]
"""

from __future__ import annotations

import itertools
import json
import resource
import sys
import time

from accel_opt.core.errors import InputError
from accel_opt.core.events import TrialFinished
from accel_opt.search import search
from tests.workers.problems import quick


def main(url: str, *sicknesses: str) -> None:
    told = []
    for sickness in sicknesses:
        if sickness.isdigit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(sickness), int(sickness)))
        if sickness == "clock":
            # Whoever asks what time it is, it is earlier than the last time.
            backwards = itertools.count(0, -3600)
            time.time = lambda steps=backwards: 1.7e9 + next(steps)
    problem, error = quick(), ""

    def tell(event):
        if isinstance(event, TrialFinished):
            told.append(event.number)

    try:
        search(
            problem.space, problem.evaluate, problem.plan, storage=url, study_name="siege",
            on_event=tell,
        )  # fmt: skip
    except InputError as refused:
        error = str(refused)
    print(json.dumps({"told": told, "error": error}))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
