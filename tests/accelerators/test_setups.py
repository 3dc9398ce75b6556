"""Pipelines that somebody has set up: what accelerators cannot stand is refused with the reason."""

from __future__ import annotations

import pytest
import torch
from accelerate import cpu_offload
from diffusers import FirstBlockCacheConfig, PyramidAttentionBroadcastConfig
from diffusers.hooks import apply_first_block_cache, apply_pyramid_attention_broadcast

from accel_opt.accelerators import registry, stack
from accel_opt.accelerators.model import setup_of
from accel_opt.core.errors import RefusedError
from accel_opt.testing import generate, same, tiny_pipeline
from accel_opt.testing.tiny import FLOW_SCHEDULER

CONFIG = {"deepcache": {"cache_interval": 3, "cache_branch_id": 0}}


def test_a_plain_pipeline_has_no_setup():
    assert setup_of(tiny_pipeline("sd")) == {}
    assert setup_of(tiny_pipeline("pixart-alpha")) == {}


def test_model_offloading_is_refused():
    pipe = tiny_pipeline("sd")
    pipe.enable_model_cpu_offload(device="cpu")
    assert setup_of(pipe) == {"offloading": "model"}
    assert "model offloading" in stack.supports(CONFIG, pipe).reason
    with pytest.raises(RefusedError, match="second would run without"):
        stack.apply(pipe, CONFIG)
    with pytest.raises(RefusedError, match="second would run without"):
        registry.get("deepcache").applied(pipe, CONFIG["deepcache"])
    pipe.remove_all_hooks()
    pipe._all_hooks = []
    assert stack.supports(CONFIG, pipe) is None


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        {"tome": {"ratio": 0.5, "max_downsample": 2}},
        {"tgate": {"gate_step": 5, "sp_interval": 2, "fi_interval": 2, "warmup": 1}},
        {"pab": {"self_broadcast": 2, "cross_broadcast": 3, "broadcast_start": 0.1}},
        {"taylorseer": {"taylor_interval": 3, "taylor_warmup": 2, "taylor_order": 1}},
    ],
    ids=lambda config: next(iter(config)),
)
@pytest.mark.parametrize("way", ["group", "sequential"])
def test_offloading_by_layers_is_recorded_and_stood(config, way):
    with stack.applied(tiny_pipeline("sd"), config) as call:
        expected = generate(call, steps=8)
    pipe = tiny_pipeline("sd")
    plain = generate(pipe, steps=8)
    if way == "group":
        pipe.enable_group_offload(onload_device=torch.device("cpu"), offload_type="leaf_level")
    else:
        # What enable_sequential_cpu_offload does to each part; as a whole it fails in the text
        # encoder of this accelerate, accelerators or not.
        cpu_offload(pipe.unet, torch.device("cpu"))
    assert setup_of(pipe) == {"offloading": way}
    with stack.applied(pipe, config) as call:
        assert same(generate(call, steps=8), expected)
        assert same(generate(call, steps=8), expected)
    assert same(generate(pipe, steps=8), plain)
    assert not same(expected, plain)


class Layer(torch.nn.Linear):
    """What of PEFT's LoRA layers is read; the real ones are read where PEFT is installed."""

    def __init__(self, weight=1.0):
        super().__init__(1, 1)
        self.lora_A = torch.nn.ModuleDict()
        self.r, self.lora_alpha, self.use_rslora = {"style": 4}, {"style": 8}, {"style": True}
        self.scaling = {"style": weight * 8 / 2}
        self.active_adapters, self.merged_adapters = ["style"], []
        self.disable_adapters = False


def test_layers_of_adapters_are_read():
    pipe = tiny_pipeline("sd")
    pipe.unet.one, pipe.text_encoder.other = Layer(), Layer()
    assert setup_of(pipe) == {"adapters": ["style"]}
    pipe.unet.one.scaling = {"style": 2.0}
    pipe.text_encoder.other.merged_adapters = ["style"]
    found = setup_of(pipe)
    assert found == {
        "adapters": ["style"], "adapter_weights": {"style": [0.5, 1.0]}, "fused": ["style"]
    }  # fmt: skip
    pipe.unet.one.disable_adapters = True
    del pipe.text_encoder.other
    assert setup_of(pipe) == {}
    pipe._merged_adapters = {"style"}
    assert setup_of(pipe) == {"fused": ["style"]}, "unloaded, and still in the weights"


def lora(scale=1.0):
    peft = pytest.importorskip("peft")
    adapter = peft.LoraConfig(
        r=4, lora_alpha=8, target_modules=["to_q", "to_v"], init_lora_weights=False
    )
    pipe = tiny_pipeline("sd")
    pipe.unet.add_adapter(adapter, adapter_name="style")
    pipe.set_adapters("style", scale)
    return pipe


def test_adapters_are_recorded_with_what_they_weigh():
    assert setup_of(lora()) == {"adapters": ["style"]}
    pipe = lora(0.5)
    assert setup_of(pipe) == {"adapters": ["style"], "adapter_weights": {"style": 0.5}}
    pipe.set_adapters("style", {"unet": {"down": 0.2, "up": 1.0, "mid": 1.0}})
    assert setup_of(pipe)["adapter_weights"] == {"style": [0.2, 1.0]}
    pipe.disable_lora()
    assert setup_of(pipe) == {}


def test_fused_adapters_are_recorded():
    pipe = lora()
    plain = generate(pipe, steps=4)
    pipe.fuse_lora(components=["unet"], lora_scale=0.7)
    found = setup_of(pipe)
    assert found == {
        "adapters": ["style"], "adapter_weights": {"style": 0.7}, "fused": ["style"]
    }  # fmt: skip
    pipe.unload_lora_weights()
    assert setup_of(pipe) == {"fused": ["style"]}
    fused = generate(pipe, steps=4)
    assert not same(fused, plain)
    with stack.applied(pipe, CONFIG) as call:
        generate(call, steps=4)
    assert same(generate(pipe, steps=4), fused)


CACHES = {
    "pab": {"self_broadcast": 2, "cross_broadcast": 3, "broadcast_start": 0.1},
    "first_block_cache": {"residual_threshold": 0.2},
    "taylorseer": {"taylor_interval": 3, "taylor_warmup": 2, "taylor_order": 1},
    "mag_cache": {"magnitude_threshold": 0.24, "max_skipped": 5},
}


@pytest.mark.parametrize("name", CACHES)
def test_a_cache_that_is_on_already_is_recorded_and_refused(name):
    pipe = tiny_pipeline("flux", FLOW_SCHEDULER)
    plain = generate(pipe, steps=4)
    pipe.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.2))
    cached = generate(pipe, steps=4)
    assert setup_of(pipe) == {"cache": "FirstBlockCacheConfig"}
    reason = stack.supports((name,), pipe).reason
    assert "disable_cache() first" in reason
    assert "anew" not in reason
    for put in (registry.get(name).applied, lambda p, params: stack.apply(p, {name: params})):
        with pytest.raises(RefusedError, match=r"disable_cache\(\) first"):
            put(pipe, CACHES[name])
    assert same(generate(pipe, steps=4), cached)
    pipe.transformer.disable_cache()
    assert setup_of(pipe) == {}
    with registry.get(name).applied(pipe, CACHES[name]) as call:
        assert setup_of(pipe) == {}, "our own is no setup"
        uncached = generate(tiny_pipeline("flux", FLOW_SCHEDULER), steps=8)
        assert not same(generate(call, steps=8), uncached)
    assert same(generate(pipe, steps=4), plain)


def test_a_cache_without_enable_cache_is_found():
    pipe = tiny_pipeline("sd")
    config = PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=2, current_timestep_callback=lambda: 500
    )
    apply_pyramid_attention_broadcast(pipe.unet, config)
    assert setup_of(pipe) == {"cache": "pyramid_attention_broadcast"}
    assert "load the pipeline anew" in stack.supports(CONFIG, pipe).reason


def test_only_enabled_caches_are_said_to_be_disabled():
    pipe = tiny_pipeline("flux", FLOW_SCHEDULER)
    apply_first_block_cache(pipe.transformer, FirstBlockCacheConfig(threshold=0.2))
    reason = stack.supports(("pab",), pipe).reason
    assert "load the pipeline anew" in reason
    assert "disable_cache" not in reason, "it would do nothing"
    pipe.transformer.disable_cache()
    assert stack.supports(("pab",), pipe).reason == reason
    assert stack.supports(("pab",), tiny_pipeline("flux", FLOW_SCHEDULER)) is None


def test_a_compiled_denoiser_is_refused_and_a_compiled_decoder_recorded():
    pipe = tiny_pipeline("sd")
    pipe.vae.compile()
    assert setup_of(pipe) == {"compiled": ["vae"]}
    assert stack.supports(CONFIG, pipe) is None
    pipe.unet.compile()
    assert "compiled" in stack.supports(CONFIG, pipe).reason
