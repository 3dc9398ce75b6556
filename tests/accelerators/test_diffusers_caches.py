"""Diffusers' own caches: what is skipped is what we count, and diffusers used by hand agrees."""

from __future__ import annotations

import pytest
import torch
from diffusers import (
    FirstBlockCacheConfig,
    MagCacheConfig,
    TaylorSeerCacheConfig,
)
from diffusers.hooks.mag_cache import FLUX_MAG_RATIOS, nearest_interp

from accel_opt.accelerators import mag_cache, registry, stack
from accel_opt.accelerators.faster_cache import _guessed
from accel_opt.accelerators.taylorseer import _predicted
from accel_opt.core.config import Config
from accel_opt.testing import FLOW_SCHEDULER, generate, same, tiny_pipeline

PLACE = ("flux", FLOW_SCHEDULER)


def calls_of(pipe, module, config, steps):
    """Numbers of the denoiser calls at which a module's weights are used."""
    seen = []
    with stack.applied(pipe, config) as call:
        hook = module.register_forward_hook(lambda *_: seen.append(call.run.index))
        generate(call, steps=steps)
        hook.remove()
    return sorted(set(seen))


def left_over(skipped, steps):
    return [call for call in range(steps) if call not in skipped]


def test_the_ratios_are_diffusers_own():
    assert torch.equal(torch.tensor(mag_cache._RATIOS), FLUX_MAG_RATIOS)


@pytest.mark.parametrize("steps", [2, 8, 13, 28, 50])
def test_mag_cache_skips_what_is_counted(steps):
    pipe = tiny_pipeline(*PLACE)
    block = pipe.transformer.single_transformer_blocks[0].attn.to_q
    for threshold, longest in ((0.06, 3), (0.24, 5), (0.12, 1), (0.3, 2)):
        config = {"mag_cache": {"magnitude_threshold": threshold, "max_skipped": longest}}
        skipped = mag_cache._skipped(threshold, longest, steps)
        assert calls_of(pipe, block, config, steps) == left_over(skipped, steps)


def by_hand(config):
    pipe = tiny_pipeline(*PLACE)
    pipe.transformer.enable_cache(config)
    return generate(pipe, steps=12)


def test_the_same_as_enable_cache():
    ours = {
        "first_block_cache": {"residual_threshold": 0.3},
        "mag_cache": {"magnitude_threshold": 0.24, "max_skipped": 5},
        "taylorseer": {"taylor_interval": 3, "taylor_warmup": 2, "taylor_order": 1},
    }
    theirs = {
        "first_block_cache": FirstBlockCacheConfig(threshold=0.3),
        "mag_cache": MagCacheConfig(
            threshold=0.24,
            max_skip_steps=5,
            retention_ratio=0.1,
            num_inference_steps=12,
            mag_ratios=nearest_interp(FLUX_MAG_RATIOS, 12),
        ),
        "taylorseer": TaylorSeerCacheConfig(
            cache_interval=3,
            disable_cache_before_step=2,
            max_order=1,
            taylor_factors_dtype=torch.float32,
        ),
    }
    pipe = tiny_pipeline(*PLACE)
    plain = generate(pipe, steps=12)
    for name, params in ours.items():
        with registry.get(name).applied(pipe, params) as call:
            found = generate(call, steps=12)
        assert not same(found, plain)
        assert same(found, by_hand(theirs[name])), name


@pytest.mark.parametrize("kind", ["sd", "pixart-alpha"])
def test_taylorseer_computes_what_is_counted(kind):
    pipe = tiny_pipeline(kind)
    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    query = next(m for path, m in denoiser.named_modules() if path.endswith("attn1.to_q"))
    for interval, warmup in ((2, 2), (4, 3), (6, 1)):
        params = {"taylor_interval": interval, "taylor_warmup": warmup, "taylor_order": 1}
        expected = left_over(_predicted(interval, warmup, 12), 12)
        assert calls_of(pipe, query, {"taylorseer": params}, 12) == expected
    # The other half is dropped at call 6: everything is computed anew from there.
    both = {"taylorseer": params | {"taylor_warmup": 2}, "cfg_cutoff": {"cutoff_step": 6}}
    assert {6, 7} <= set(calls_of(pipe, query, both, 12))


def test_faster_cache_guesses_what_is_counted():
    pipe = tiny_pipeline("pixart-alpha")
    run = stack.run_info(pipe, 12, 5.0)
    query = pipe.transformer.transformer_blocks[0].attn1.to_q
    sizes = []
    for uncond, attention, start in ((3, 2, 0.3), (6, 4, 0.2), (2, 1, 0.5)):
        params = {"uncond_interval": uncond, "attention_interval": attention, "guess_start": start}
        halves, guessed = _guessed(uncond, attention, start, run)
        assert calls_of(pipe, query, {"faster_cache": params}, 12) == left_over(guessed, 12)
        sizes.clear()
        with stack.applied(pipe, {"faster_cache": params}) as call:
            hook = pipe.transformer.pos_embed.register_forward_hook(
                lambda _, __, out: sizes.append(out.shape[0])
            )
            generate(call, steps=12)
            hook.remove()
        assert [i for i, size in enumerate(sizes) if size == 1] == sorted(halves)


def test_one_diffusers_cache_at_a_time():
    pipe = tiny_pipeline("pixart-alpha")
    refusal = stack.supports(("first_block_cache", "taylorseer"), pipe)
    assert "forget all at once" in refusal.reason
    assert "guidance" in stack.supports(("faster_cache", "cfg_cutoff"), pipe).reason


@pytest.mark.parametrize(
    "others",
    [("tome",), ("cfg_cutoff",), ("pab", "tome"), ("tgate",), ("pab", "cfg_cutoff", "tome")],
    ids="+".join,
)
def test_first_block_cache_beside_others(others):
    settings = {
        "tome": {"ratio": 0.5, "max_downsample": 1},
        "cfg_cutoff": {"cutoff_step": 6},
        "pab": {"self_broadcast": 2, "cross_broadcast": 3, "broadcast_start": 0.1},
        "tgate": {"gate_step": 6, "sp_interval": 2, "fi_interval": 2, "warmup": 1},
        "first_block_cache": {"residual_threshold": 0.2},
    }
    pipe = tiny_pipeline("pixart-alpha")
    plain = generate(pipe, steps=12)
    config = Config({name: settings[name] for name in (*others, "first_block_cache")})
    with stack.applied(pipe, config) as call:
        first = generate(call, steps=12)
        generate(call, steps=9, prompt=["a dog", "a bird"], guidance=1.0)
        assert same(generate(call, steps=12), first)
    assert torch.isfinite(first).all()
    assert not same(first, plain)
    assert same(generate(pipe, steps=12), plain)
