from __future__ import annotations

from pathlib import Path

import pytest

from accel_opt.core.config import Config
from accel_opt.core.measurement import Best, Interval
from accel_opt.results import Entry

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def old_file():
    return DATA / "search_params_old.json"


CONDITIONS = {
    "dtype": "float32",
    "resolution": 512,
    "batch_size": 4,
    "guidance_scale": 7.5,
    "device": "cpu",
    "metric": "clip_score",
    "scorer": "open_clip ViT-g-14 laion2b_s34b_b88k",
}


@pytest.fixture
def make_best():
    def make(speedup=3.0, *, confirmed=True, latency=1.234567, config=None, loss=0.0123):
        return Best(
            config=Config(config or {"deepcache": {"cache_interval": 3, "cache_branch_id": 0}}),
            speedup=Interval(speedup, speedup - 0.1, speedup + 0.1, 10),
            score_loss=Interval(loss, loss - 0.005, loss + 0.005, 64),
            latency_s=latency,
            baseline_latency_s=latency * speedup,
            key="k",
            confirmed=confirmed,
        )

    return make


@pytest.fixture
def make_entry(make_best):
    def make(
        speedup=3.0, *, searched=("deepcache",), target=None, latency_s=None, device="cpu", **best
    ):
        conditions = None if device is None else CONDITIONS | {"device": device}
        return Entry.from_best(
            make_best(speedup, **best),
            model="SD1.5",
            scheduler="DDIMScheduler",
            steps=50,
            searched=searched,
            speedup=target,
            latency_s=latency_s,
            achieved_only=True,
            conditions=conditions,
        )

    return make
