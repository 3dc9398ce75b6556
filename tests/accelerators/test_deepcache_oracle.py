"""Our DeepCache against the package DeepCache 0.1.1, bit for bit."""

import functools

import pytest
from DeepCache import DeepCacheSDHelper

from accel_opt.accelerators import registry, stack
from accel_opt.testing import SCHEDULERS, generate, same, tiny_pipeline

PLUGIN = registry.get("deepcache")
BRANCHES = {"sd": 12, "sdxl": 9}
pair = functools.cache(lambda *place: (tiny_pipeline(*place), tiny_pipeline(*place)))


def equal(place, interval, branch, **arguments):
    ours, theirs = pair(*place)
    arguments = {"steps": 8, **arguments}
    with PLUGIN.applied(ours, {"cache_interval": interval, "cache_branch_id": branch}) as call:
        output = generate(call, **arguments)
    helper = DeepCacheSDHelper(pipe=theirs)
    helper.set_params(cache_interval=interval, cache_branch_id=branch)
    helper.enable()
    try:
        return same(output, generate(theirs, **arguments))
    finally:
        helper.disable()


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("kind", BRANCHES)
def test_a_spread_of_settings(kind, scheduler):
    place = (kind, scheduler)
    assert equal(place, 2, 0)
    assert equal(place, 3, 1, prompt=["a cat", "a dog"])
    assert equal(place, 5, 3, size=48)
    assert equal(place, 20, 2, guidance=1.0)


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("kind", BRANCHES)
def test_every_branch(kind, scheduler):
    different = [
        (interval, branch)
        for interval in (2, 3, 5)
        for branch in range(BRANCHES[kind])
        if not equal((kind, scheduler), interval, branch)
    ]
    assert different == []


@pytest.mark.parametrize(("interval", "full_calls"), [(2, 12), (3, 8), (5, 5)])
def test_heun_which_repeats_timesteps_gets_its_full_calls(interval, full_calls):
    # 12 steps are 23 calls; the package, which looks timesteps up, makes 1, 8 and 5.
    pipe = tiny_pipeline("sd", "HeunDiscreteScheduler")
    assert stack.run_info(pipe, 12).steps == 23
    assert not stack.run_info(pipe, 12).distinct_timesteps
    ran = []
    pipe.unet.mid_block.resnets[0].register_forward_hook(lambda *_: ran.append(1))
    with PLUGIN.applied(pipe, {"cache_interval": interval, "cache_branch_id": 0}) as call:
        generate(call)
    assert len(ran) == full_calls


def test_programs_for_repeated_timesteps_carry_our_hooks():
    pipe = tiny_pipeline("sd", "HeunDiscreteScheduler")
    params = {"cache_interval": 3, "cache_branch_id": 0}
    assert PLUGIN.code(params, stack.run_info(pipe, 12)) is None


def test_image_to_image_with_another_strength_is_not_contaminated():
    import torch
    from diffusers import StableDiffusionImg2ImgPipeline

    base = tiny_pipeline("sd")
    pipe = StableDiffusionImg2ImgPipeline(**base.components, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))

    def run(call, strength):
        return call(
            "a cat",
            image=image,
            strength=strength,
            num_inference_steps=12,
            generator=torch.Generator().manual_seed(0),
            output_type="latent",
        ).images

    config = {
        "deepcache": {"cache_interval": 3, "cache_branch_id": 0},
        "tgate": {"gate_step": 4, "sp_interval": 2, "fi_interval": 1, "warmup": 1},
    }
    plain = run(pipe, 0.5)
    with stack.applied(pipe, config) as call:
        fresh = run(call, 0.5)
        assert not same(fresh, plain)
        run(call, 1.0)
        assert same(run(call, 0.5), fresh)
    assert same(run(pipe, 0.5), plain)
