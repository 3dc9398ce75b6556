from __future__ import annotations

import pytest

from accel_opt.core.config import Config
from accel_opt.results import Entry, EntryKey

SETTINGS = {
    "deepcache": {"cache_interval": 3, "cache_branch_id": 0},
    "tome": {"ratio": 0.5, "max_downsample": 2},
    "tgate": {"gate_step": 5, "sp_interval": 2, "fi_interval": 2, "warmup": 1},
    "cfg_cutoff": {"cutoff_step": 5},
}


@pytest.fixture
def make_entry():
    def make(
        *names,
        model="SD1.5",
        scheduler="DDIMScheduler",
        steps=50,
        speedup=3.04,
        loss=0.02,
        provenance=None,
    ):
        config = Config({name: SETTINGS[name] for name in names or ("deepcache",)})
        key = EntryKey(model, scheduler, steps, None, loss, config.accelerators)
        return Entry(key, config, speedup, 0.0123, 0.5, 0.5012, provenance)

    return make
