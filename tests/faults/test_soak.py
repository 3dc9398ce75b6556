"""The siege of `test_kills`, over and over with other seeds: for a night before a release.

ACCEL_OPT_SOAK_MINUTES=480 python -m pytest -m soak tests/faults
"""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from tests.faults.accounts import account, assert_sound
from tests.faults.test_kills import KILLS, TRIALS, besiege

MINUTES = float(os.environ.get("ACCEL_OPT_SOAK_MINUTES", "60"))


@pytest.mark.soak
@pytest.mark.timeout(MINUTES * 60 + 600)
def test_siege_after_siege(storage, root, figures, poller):
    # Each storage has half of the time.
    end, rng = time.monotonic() + MINUTES * 30, random.Random(20_261_121)
    total = dict.fromkeys(("sieges", "kills", "trials", "polls"), 0)
    while time.monotonic() < end:
        seed = rng.randrange(1 << 30)
        study = f"siege{total['sieges']}"
        how = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
        workers = rng.choice([2, 4, 8])
        with poller(storage) as polled:
            found, errors = besiege(
                storage, root, study=study, kills=KILLS, signal=int(how), seed=seed, workers=workers
            )
        told = (seed, how, workers, found["statuses"], errors[-2000:])
        assert not found["timed out"], told
        state = account(storage, found["acknowledged"], study)
        assert state["completed"] == TRIALS, told
        assert_sound(state)
        assert polled.failures == [], told
        total["sieges"] += 1
        total["kills"] += found["killed"]
        total["trials"] += state["completed"]
        total["polls"] += polled.polls
    figures(**total, lost=0, duplicates=0, zombies=0)
    assert total["sieges"] > 0
