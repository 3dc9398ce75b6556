"""Our hooks against diffusers' own function, which gets the calls' numbers for timesteps."""

import functools
import itertools

import pytest
import torch
from diffusers import PyramidAttentionBroadcastConfig
from diffusers.hooks import apply_pyramid_attention_broadcast

from accel_opt.accelerators import registry, stack
from accel_opt.accelerators.pab import broadcast_window
from accel_opt.accelerators.work import count
from accel_opt.core.config import Config
from accel_opt.testing import generate, run_program, same, tiny_pipeline, traces
from accel_opt.testing.contract import DIAGONAL

STEPS = 12
BESIDE = {
    "deepcache": {"cache_interval": 2, "cache_branch_id": 1},
    "tome": {"ratio": 0.5, "max_downsample": 1},
    "cfg_cutoff": {"cutoff_step": 6},
    "pab": {"self_broadcast": 3, "cross_broadcast": 4, "broadcast_start": 0.1},
}
SETTINGS = tuple(itertools.product((1, 2, 3), (2, 5), (0.1, 0.3)))


def with_diffusers(place, self_every, cross_every, start):
    pipe = tiny_pipeline(*place)
    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    index = itertools.count(-1)
    now = [next(index)]
    denoiser.register_forward_pre_hook(lambda *_: now.__setitem__(0, next(index)))
    first, end = broadcast_window(start, STEPS)
    config = PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=self_every,
        cross_attention_block_skip_range=cross_every,
        spatial_attention_timestep_skip_range=(first - 1, end),
        cross_attention_timestep_skip_range=(first - 1, end),
        current_timestep_callback=lambda: now[0],
    )
    apply_pyramid_attention_broadcast(denoiser, config)
    return generate(pipe, steps=STEPS)


@pytest.mark.parametrize("place", DIAGONAL, ids="-".join)
def test_same_latents_as_diffusers(place):
    pipe = tiny_pipeline(*place)
    for self_every, cross_every, start in SETTINGS:
        params = {
            "self_broadcast": self_every,
            "cross_broadcast": cross_every,
            "broadcast_start": start,
        }
        with registry.get("pab").applied(pipe, params) as call:
            ours = generate(call, steps=STEPS)
        assert same(ours, with_diffusers(place, self_every, cross_every, start)), params


def test_a_window_follows_the_number_of_calls():
    assert broadcast_window(0.2, 50) == (10, 45)
    assert broadcast_window(0.1, 20) == (2, 18)
    assert broadcast_window(0.0, 8) == (1, 7)
    assert not range(*broadcast_window(0.4, 2))


def test_stale_outputs_of_skipped_blocks_are_not_reused():
    pipe = tiny_pipeline("sd")
    calls = {
        "deep": counted(pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1),
        "outer": counted(pipe.unet.up_blocks[-1].attentions[-1].transformer_blocks[0].attn1),
    }
    config = {
        "deepcache": {"cache_interval": 5, "cache_branch_id": 0},
        "pab": {"self_broadcast": 4, "cross_broadcast": 4, "broadcast_start": 0.1},
    }
    with stack.applied(pipe, config) as call:
        first = generate(call, steps=20)
        # Deep attention runs at 0, 5, 10, 15 alone, and no output of five calls ago is reused.
        assert len(calls["deep"]) == 4
        # Outside the branch: calls 0, 1, then multiples of 4 up to 17, then 18 and 19.
        assert len(calls["outer"]) == 2 + 4 + 2
        assert same(generate(call, steps=20), first)
    assert torch.isfinite(first).all()


@pytest.mark.parametrize(
    ("kind", "others"),
    [
        ("sd", ("deepcache", "cfg_cutoff")),
        ("sd", ("deepcache", "tome", "cfg_cutoff")),
        ("pixart-alpha", ("tome",)),
        ("pixart-alpha", ("cfg_cutoff",)),
        ("pixart-alpha", ("tome", "cfg_cutoff")),
    ],
)
def test_beside_others(kind, others):
    config = Config({name: BESIDE[name] for name in (*others, "pab")})
    pipe = tiny_pipeline(kind)
    plain, before = generate(pipe, steps=STEPS), traces(pipe)
    run = stack.run_info(pipe, STEPS, 5.0)
    handle = stack.apply(pipe, config, run)
    first = generate(handle, steps=STEPS)
    generate(handle, steps=9, prompt=["a dog", "a bird"], size=48, guidance=1.0)
    assert same(generate(pipe, steps=STEPS), first)
    handle.remove()
    assert traces(pipe) == before
    assert same(generate(pipe, steps=STEPS), plain)
    assert not same(first, plain)
    lines = stack.code(config, run)
    program = run_program(lines, tiny_pipeline(kind), functools.partial(generate, steps=STEPS))
    assert same(program, first)
    without = Config({name: config[name] for name in others})
    assert stack.work(config, run, count(pipe)) < stack.work(without, run, count(pipe))


def test_pab_and_tgate_exclude_each_other():
    refusal = stack.supports(("pab", "tgate"), tiny_pipeline("pixart-alpha"))
    assert "both keep attention outputs" in refusal.reason


def counted(attention):
    """A list that grows by one whenever the attention is computed."""
    seen = []
    attention.to_q.register_forward_hook(lambda *_: seen.append(1))
    return seen
