"""Pipelines that somebody has set up: what accelerators cannot stand is refused with the reason."""

from __future__ import annotations

import pytest
import torch
from accelerate import cpu_offload

from accel_opt.accelerators import registry, stack
from accel_opt.accelerators.model import setup_of
from accel_opt.core.errors import RefusedError
from accel_opt.testing import generate, same, tiny_pipeline

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


def test_a_compiled_denoiser_is_refused_and_a_compiled_decoder_recorded():
    pipe = tiny_pipeline("sd")
    pipe.vae.compile()
    assert setup_of(pipe) == {"compiled": ["vae"]}
    assert stack.supports(CONFIG, pipe) is None
    pipe.unet.compile()
    assert "compiled" in stack.supports(CONFIG, pipe).reason
