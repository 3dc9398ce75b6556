"""The contract on every accelerator of this package and of installed ones."""

import pytest

from accel_opt.accelerators import registry, stack
from accel_opt.testing import AcceleratorContract
from accel_opt.testing.contract import DIAGONAL, EVERYTHING, shared
from accel_opt.testing.tiny import FLOW_SCHEDULER, HALVES_KIND

INVALID = {
    "deepcache": ({"cache_interval": 1}, {"cache_interval": 0}, {"cache_branch_id": -1},
                  {"cache_branch_id": 12}),
    "tome": ({"ratio": 0.0}, {"ratio": 1.5}, {"ratio": -0.1}, {"max_downsample": 0}),
    "tgate": ({"gate_step": 0}, {"gate_step": 8}, {"sp_interval": 0}, {"fi_interval": 0},
              {"warmup": -1}),
    "cfg_cutoff": ({"cutoff_step": 0}, {"cutoff_step": 8}),
    "pab": ({"self_broadcast": 0}, {"cross_broadcast": 0}, {"broadcast_start": 0.9},
            {"broadcast_start": -0.1}, {"self_broadcast": 1, "cross_broadcast": 1}),
    "first_block_cache": ({"residual_threshold": 0.0}, {"residual_threshold": -0.1}),
    "faster_cache": ({"uncond_interval": 0}, {"attention_interval": 0}, {"guess_start": 0.0},
                     {"guess_start": 1.0}, {"uncond_interval": 1, "attention_interval": 1}),
    "mag_cache": ({"magnitude_threshold": 0.0}, {"max_skipped": 0}),
    "taylorseer": ({"taylor_interval": 1}, {"taylor_warmup": 0}, {"taylor_warmup": 8},
                   {"taylor_order": -1}),
}  # fmt: skip


def contracts(where):
    return {
        f"Test_{name}": type(
            f"Test_{name}",
            (AcceleratorContract,),
            {
                "accelerator": registry.get(name),
                "where": where,
                "invalid": INVALID.get(name, ()),
            },
        )
        for name in registry.names()
    }


globals().update(contracts(DIAGONAL))


class InTurn(AcceleratorContract):
    """Halves of guidance one after the other; work is not counted there."""

    where = ((HALVES_KIND, FLOW_SCHEDULER),)

    test_work_is_counted = None  # instead:

    def test_work_is_said_not_to_be_counted(self, place):
        assert stack.countable(shared(*place))


globals().update(
    {
        f"Test_{name}_in_turn": type(
            f"Test_{name}_in_turn",
            (InTurn,),
            {"accelerator": registry.get(name), "invalid": INVALID.get(name, ())},
        )
        for name in ("cfg_cutoff", "pab", "taylorseer")
    }
)
rest = tuple(place for place in EVERYTHING if place not in DIAGONAL)
globals().update(
    {f"{name}_everywhere": pytest.mark.slow(suite) for name, suite in contracts(rest).items()}
)
