"""Our guidance cut-off against diffusers' callback, which serves one prompt a call."""

import pytest
from diffusers.callbacks import SDCFGCutoffCallback, SDXLCFGCutoffCallback

from accel_opt.accelerators import registry
from accel_opt.core.run import Refusal, RunInfo
from accel_opt.testing import SCHEDULERS, generate, tiny_pipeline

PLUGIN = registry.get("cfg_cutoff")
CALLBACKS = {"sd": SDCFGCutoffCallback, "sdxl": SDXLCFGCutoffCallback}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("kind", CALLBACKS)
def test_same_as_the_callback(kind, scheduler):
    pipe = tiny_pipeline(kind, scheduler)
    for step in (1, 5):
        with PLUGIN.applied(pipe, {"cutoff_step": step}) as call:
            ours = generate(call, steps=8)
        callback = CALLBACKS[kind](cutoff_step_ratio=None, cutoff_step_index=step - 1)
        theirs = generate(pipe, steps=8, callback_on_step_end=callback)
        # u + scale * (u - u) is u: nothing is rounded that the callback would not round.
        assert (ours == theirs).all(), f"{kind} {scheduler} {step}"


def test_without_guidance_there_is_nothing_to_cut():
    form = PLUGIN.canonical({"cutoff_step": 5}, RunInfo(20, guidance_scale=1.0))
    assert isinstance(form, Refusal)
    assert "guidance_scale=1.0" in form.reason
