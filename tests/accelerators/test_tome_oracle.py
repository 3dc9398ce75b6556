"""Our ToMe against the package tomesd 0.1.3 with a generator seeded per call, bit for bit."""

import functools

import pytest
import tomesd
import torch

from accel_opt.accelerators import registry, stack
from accel_opt.core.run import ModelInfo, Refusal, RunInfo
from accel_opt.testing import SCHEDULERS, generate, same, tiny_pipeline

PLUGIN = registry.get("tome")
pair = functools.cache(lambda *place: (tiny_pipeline(*place), tiny_pipeline(*place)))


def equal(place, ratio, max_downsample, **arguments):
    ours, theirs = pair(*place)
    arguments = {"steps": 8, **arguments}
    with PLUGIN.applied(ours, {"ratio": ratio, "max_downsample": max_downsample}) as call:
        output = generate(call, **arguments)
    tomesd.apply_patch(theirs, ratio=ratio, max_downsample=max_downsample)
    theirs.unet._tome_info["args"]["generator"] = torch.Generator().manual_seed(0)
    try:
        return same(output, generate(theirs, **arguments))
    finally:
        tomesd.remove_patch(theirs)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("kind", ["sd", "sdxl"])
def test_a_spread_of_settings(kind, scheduler):
    place = (kind, scheduler)
    assert equal(place, 0.1, 2)
    assert equal(place, 0.5, 4, prompt=["a cat", "a dog"])
    assert equal(place, 0.9, 2, size=48)
    assert equal(place, 0.5, 2, guidance=1.0)  # an odd batch: no random destinations


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("kind", ["sd", "sdxl"])
def test_every_ratio_and_level(kind, scheduler):
    different = [
        (ratio, level)
        for ratio in (0.1, 0.3, 0.5, 0.7, 0.75, 0.9)
        for level in (1, 2, 3, 4, 8)
        if (kind, level) != ("sdxl", 1) and not equal((kind, scheduler), ratio, level)
    ]
    assert different == []


@pytest.mark.parametrize(("levels", "distinct"), [((1, 2, 4, 8), 24), ((2, 4), 16), ((1,), 8)])
def test_distinct_settings_of_the_default_space(levels, distinct):
    run = RunInfo(50, model=ModelInfo(attention_levels=levels))
    forms = {
        tuple(form.items())
        for ratio in PLUGIN.params["ratio"].values()
        for level in PLUGIN.params["max_downsample"].values()
        if not isinstance(
            form := PLUGIN.canonical({"ratio": ratio, "max_downsample": level}, run), Refusal
        )
    }
    assert len(forms) == distinct


def test_merging_nothing_on_sdxl_is_refused():
    run = stack.run_info(pair("sdxl", "DDIMScheduler")[0], 12)
    refusal = PLUGIN.canonical({"ratio": 0.5, "max_downsample": 1}, run)
    assert "levels 2, 4" in refusal.reason
    assert PLUGIN.ranges(run)["max_downsample"].values() == (2, 3, 4)


def test_odd_sizes_run_and_grids_too_small_are_left_alone():
    pipe, _ = pair("sd", "DDIMScheduler")
    with PLUGIN.applied(pipe, {"ratio": 0.9, "max_downsample": 8}) as call:
        wide = call(
            "a cat", height=16, width=80, num_inference_steps=2, output_type="latent"
        ).images
    assert wide.shape == (1, 4, 8, 40)
    assert bool(wide.isfinite().all())
