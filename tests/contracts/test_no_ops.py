"""What is not refused does something: the edges of every default range, and beyond them.

A ToMe ratio so small that not one token of a toy image is merged is left out: plugins do not know
the resolution, and a measured output that equals the baseline's is reported as such. So is the
first block cache, whose threshold the images decide about.
"""

import pytest

from accel_opt.accelerators import registry, stack
from accel_opt.core.run import Refusal
from accel_opt.testing import AcceleratorContract, same
from accel_opt.testing.contract import DIAGONAL, GUIDANCE, STEPS, plain, shared

BEYOND = {
    "deepcache": [{"cache_interval": 100}, {"cache_branch_id": 8}, {"cache_branch_id": 11}],
    "tome": [{"ratio": 1.0}, {"ratio": 0.05}, {"max_downsample": 8}, {"max_downsample": 64}],
    "tgate": [{"gate_step": 1}, {"gate_step": STEPS - 1}, {"warmup": 50}, {"sp_interval": 50}],
    "cfg_cutoff": [{"cutoff_step": 1}, {"cutoff_step": STEPS - 1}],
    "pab": [{"self_broadcast": 9}, {"broadcast_start": 0.8}, {"broadcast_start": 0.0}],
    "faster_cache": [{"guess_start": 0.9}, {"attention_interval": 1}],
    "mag_cache": [{"magnitude_threshold": 0.01}, {"max_skipped": 100}],
    "taylorseer": [{"taylor_warmup": 1}, {"taylor_warmup": STEPS - 1}, {"taylor_order": 9}],
}


@pytest.mark.slow
@pytest.mark.parametrize("place", DIAGONAL, ids="-".join)
@pytest.mark.parametrize("name", [n for n in registry.names() if n != "first_block_cache"])
def test_settings_without_effect_are_refused(name, place):
    plugin, pipe = registry.get(name), shared(*place)
    if plugin.supports(pipe):
        return
    suite = type("Suite", (AcceleratorContract,), {"accelerator": plugin})()
    run = stack.run_info(pipe, STEPS, GUIDANCE)
    harsh = next(suite.settings(run))
    settings = [*suite.settings(run), *({**harsh, **more} for more in BEYOND.get(name, ()))]
    idle = [
        params
        for params in settings
        if not isinstance(plugin.canonical(params, run), Refusal)
        and same(suite.output(place, params), plain(*place))
    ]
    assert idle == []
