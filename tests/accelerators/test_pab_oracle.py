"""Our hooks against diffusers' own function, which gets the calls' numbers for timesteps."""

import itertools

import pytest
import torch
from diffusers import PyramidAttentionBroadcastConfig
from diffusers.hooks import apply_pyramid_attention_broadcast

from accel_opt.accelerators import registry, stack
from accel_opt.accelerators.pab import broadcast_window
from accel_opt.testing import generate, same, tiny_pipeline
from accel_opt.testing.contract import DIAGONAL

STEPS = 12
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


def counted(attention):
    """A list that grows by one whenever the attention is computed."""
    seen = []
    attention.to_q.register_forward_hook(lambda *_: seen.append(1))
    return seen
