"""Pipelines that call the denoiser for one half of guidance after the other."""

from __future__ import annotations

import pytest
import torch
from diffusers import (
    CogView4Pipeline,
    CogView4Transformer2DModel,
    FirstBlockCacheConfig,
    FlowMatchEulerDiscreteScheduler,
    QwenImagePipeline,
    TaylorSeerCacheConfig,
)

from accel_opt.accelerators import registry, stack
from accel_opt.accelerators.pab import _reused
from accel_opt.testing import generate, same, tiny_pipeline
from accel_opt.testing.tiny import (
    FLOW_SCHEDULER,
    HALVES_KIND,
    _autoencoder,
    _t5_encoder,
    _t5_tokenizer,
)

STEPS = 12


def cogview4():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer = CogView4Transformer2DModel(
            patch_size=2,
            in_channels=4,
            out_channels=4,
            num_layers=3,
            attention_head_dim=8,
            num_attention_heads=2,
            text_embed_dim=16,
            time_embed_dim=16,
            condition_dim=4,
            sample_size=16,
            rope_axes_dim=(16, 16),
        )
        pipe = CogView4Pipeline(
            tokenizer=_t5_tokenizer(),
            text_encoder=_t5_encoder(),
            vae=_autoencoder(),
            transformer=transformer.eval(),
            scheduler=FlowMatchEulerDiscreteScheduler(),
        )
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.mark.parametrize(
    ("name", "params", "config"),
    [
        (
            "first_block_cache",
            {"residual_threshold": 0.3},
            lambda: FirstBlockCacheConfig(threshold=0.3),
        ),
        (
            "taylorseer",
            {"taylor_interval": 3, "taylor_warmup": 2, "taylor_order": 1},
            lambda: TaylorSeerCacheConfig(
                cache_interval=3,
                disable_cache_before_step=2,
                max_order=1,
                taylor_factors_dtype=torch.float32,
                cache_identifiers=[r"transformer_blocks\.\d\.attn1"],
            ),
        ),
    ],
)
def test_the_same_as_enable_cache_which_keeps_halves_apart(name, params, config):
    theirs = cogview4()
    theirs.transformer.enable_cache(config())
    expected = generate(theirs, steps=STEPS)
    pipe = cogview4()
    plain = generate(pipe, steps=STEPS)
    with registry.get(name).applied(pipe, params) as call:
        assert same(generate(call, steps=STEPS), expected)
        generate(call, steps=STEPS, guidance=1.0)
        assert same(generate(call, steps=STEPS), expected)
    assert not same(expected, plain)
    assert same(generate(pipe, steps=STEPS), plain)


def test_guidance_is_cut_off_as_by_a_callback():
    pipe = tiny_pipeline(HALVES_KIND, FLOW_SCHEDULER)

    def cut_off(pipe, step, _, tensors):
        pipe._guidance_scale = 5.0 if step < 5 else 1.0
        return tensors

    expected = generate(pipe, steps=STEPS, callback_on_step_end=cut_off)
    calls = []
    pipe.transformer.x_embedder.register_forward_pre_hook(lambda *_: calls.append(1))
    with stack.applied(pipe, {"cfg_cutoff": {"cutoff_step": 6}}) as call:
        assert same(generate(call, steps=STEPS), expected)
    assert len(calls) == 6 * 2 + 6


def test_guidance_is_not_cut_off_where_the_first_half_may_be_the_unconditional_one():
    pipe = tiny_pipeline("sd")
    with stack.applied(pipe, {"cfg_cutoff": {"cutoff_step": 2}}):
        inner = pipe.unet.forward
        pipe.unet.forward = lambda *a, **k: (inner(*a, **k), inner(*a, **k))[0]
        with pytest.raises(RuntimeError, match="GuidanceCutoffHooks would mix them up"):
            generate(pipe, steps=3, guidance=1.0)


def test_guidance_by_another_scale_is_not_cut_off():
    pipe = object.__new__(QwenImagePipeline)
    vars(pipe)["transformer"] = torch.nn.Identity()
    assert "true_cfg_scale" in registry.get("cfg_cutoff").supports(pipe).reason


def test_attention_is_remembered_for_each_half():
    pipe = tiny_pipeline(HALVES_KIND, FLOW_SCHEDULER)
    seen, outputs = [], {}
    config = {
        "pab": {"self_broadcast": 3, "cross_broadcast": 1, "broadcast_start": 0.2},
        "cfg_cutoff": {"cutoff_step": 8},
    }
    with stack.applied(pipe, config) as call:
        attention = pipe.transformer.transformer_blocks[0].attn
        attention.to_q.register_forward_pre_hook(
            lambda *_: seen.append((call.run.index, call.run.half))
        )
        attention.register_forward_hook(
            lambda _, __, output: outputs.update({(call.run.index, call.run.half): output})
        )
        generate(call, steps=STEPS)
    reused = _reused(3, 0.2, STEPS) - {8}  # everything is computed where a half is dropped
    asked = [(i, half) for i in range(STEPS) for half in (0, 1) if not half or i < 8]
    assert list(outputs) == asked
    assert seen == [(i, half) for i, half in asked if i not in reused]
    for i, half in asked:
        last = max(at for at, computed in seen if computed == half and at <= i)
        assert outputs[i, half] is outputs[last, half], f"call {i}, half {half}"
    for i in range(8):
        assert not same(outputs[i, 0][0], outputs[i, 1][0]), i


def test_a_denoiser_that_takes_lists_is_refused():
    class ListModel(torch.nn.Module):
        def forward(self, x: list[torch.Tensor]) -> list[torch.Tensor]:
            return x

    pipe = tiny_pipeline(HALVES_KIND, FLOW_SCHEDULER)
    pipe.transformer = ListModel()
    assert "a list of latents" in stack.supports(("pab",), pipe).reason
