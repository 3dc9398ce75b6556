"""The guard against plugins that do whatever they like and undo nothing."""

import collections

import pytest
import torch
from diffusers.hooks import HookRegistry, ModelHook

from accel_opt.accelerators.base import Accelerator
from accel_opt.accelerators.handle import install
from accel_opt.core.config import Config
from accel_opt.core.dims import Int
from accel_opt.testing import generate, same, tiny_pipeline, traces


@pytest.fixture
def pipe():
    return tiny_pipeline("sd")


class Doubling(ModelHook):
    def post_forward(self, module, output):
        return (output[0] * 2, *output[1:])


def swap_classes(pipe):
    for block in pipe.unet.modules():
        if type(block).__name__ == "BasicTransformerBlock":
            block.__class__ = type(
                "Patched", (type(block),), {"forward": lambda _s, x, *_, **__: x}
            )


def patch_a_class(pipe):
    kind = type(pipe.unet.mid_block.attentions[0])
    kind.forward = lambda _self, hidden_states, **_: (hidden_states,)
    kind.extra = 1


def patch_a_processor_class(pipe):
    kind = type(pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1.processor)
    kind.__call__ = lambda _self, _attention, hidden_states, *_, **__: hidden_states


def replace_processors(pipe):
    class Identity:
        def __call__(self, _attention, hidden_states, *_, **__):
            return hidden_states

    pipe.unet.set_attn_processor(Identity())


def change_a_processor(pipe):
    for processor in pipe.unet.attn_processors.values():
        processor.scale = 3
    pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1.heads = 1


def shadow_forward(pipe):
    original = pipe.unet.forward
    pipe.unet.forward = lambda *args, **kwargs: (original(*args, **kwargs)[0] * 2,)
    pipe.unet._tome_info = {"hooks": []}


def add_torch_hooks(pipe):
    pipe.unet.register_forward_hook(lambda _m, _a, out: (out[0] * 2, *out[1:]))
    pipe.unet.conv_in.register_forward_pre_hook(lambda _m, args: (args[0] * 2,))


def add_diffusers_hooks(pipe):
    HookRegistry.check_if_exists_or_initialize(pipe.unet).register_hook(Doubling(), "doubling")


def replace_modules(pipe):
    pipe.unet.conv_in = torch.nn.Conv2d(4, 8, 3, padding=1)
    pipe.unet.conv_act = torch.nn.Tanh()
    del pipe.vae.encoder
    pipe.unet.extra = torch.nn.Linear(2, 2)


def replace_weights(pipe):
    pipe.unet.conv_out.weight = torch.nn.Parameter(pipe.unet.conv_out.weight * 2)
    pipe.vae.register_buffer("extra", torch.ones(1))


def change_the_scheduler(pipe):
    pipe.scheduler.step = lambda noise, _t, sample, **_: (sample - noise,)
    pipe.scheduler.init_noise_sigma = 5.0


def replace_components(pipe):
    pipe.text_encoder = tiny_pipeline("sd", seed=1).text_encoder
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, steps_offset=1)
    pipe.vae_scale_factor = 4


def train(pipe):
    pipe.unet.train()
    pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1.to_out[1].p = 0.5


ATTACKS = [
    swap_classes, patch_a_class, patch_a_processor_class, replace_processors, change_a_processor,
    shadow_forward, add_torch_hooks, add_diffusers_hooks, replace_modules, replace_weights,
    change_the_scheduler, replace_components, train,
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_everything_is_put_back(pipe, attack):
    expected, before = generate(pipe, steps=3), traces(pipe)
    with install(pipe, Config({"x": {"y": 1}}), [lambda _run: attack(pipe)]) as call:
        assert not same(generate(call, steps=3), expected) or attack is train
    assert traces(pipe) == before
    assert same(generate(pipe, steps=3), expected)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_apply_that_fails_half_way_leaves_nothing(pipe, attack):
    expected, before = generate(pipe, steps=3), traces(pipe)

    def fail(_run):
        attack(pipe)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        install(pipe, Config({"x": {"y": 1}}), [fail])
    assert traces(pipe) == before
    assert same(generate(pipe, steps=3), expected)


def test_traces_left_during_the_run_go_too(pipe):
    class Caching(Accelerator):
        name = "caching"
        params = {"n": Int(1, 2)}  # noqa: RUF012

        def supports(self, pipe):
            return None

        def canonical(self, params, run):
            return dict(params)

        def apply(self, pipe, params, run):
            def keep(module, _args, output):
                module.cache = output
                module.__dict__["calls"] = module.__dict__.get("calls", 0) + 1

            for module in pipe.unet.modules():
                module.register_forward_hook(keep)

    before = traces(pipe)
    with Caching().applied(pipe, {"n": 1}) as call:
        generate(call, steps=3)
        assert hasattr(pipe.unet.conv_in, "cache")
    assert traces(pipe) == before


def test_generators_are_put_back(pipe):
    pipe.generator = torch.Generator().manual_seed(5)
    pipe.held = {"generators": [torch.Generator().manual_seed(6)]}
    expected = [g.get_state() for g in (pipe.generator, pipe.held["generators"][0])]
    with install(pipe, Config({"x": {"y": 1}}), []):
        torch.rand(3, generator=pipe.generator)
        torch.rand(3, generator=pipe.held["generators"][0])
    now = [g.get_state() for g in (pipe.generator, pipe.held["generators"][0])]
    assert all(same(a, b) for a, b in zip(now, expected, strict=True))


def test_moving_to_another_dtype_while_applied_stays(pipe):
    with install(pipe, Config({"x": {"y": 1}}), []):
        pipe.to(torch.float64)
    assert pipe.unet.dtype == torch.float64
    assert generate(pipe, steps=2).dtype == torch.float64


def test_somebody_elses_class_patch_in_the_meantime_stays(pipe):
    kind = type(pipe.unet)
    handle = install(pipe, Config({"x": {"y": 1}}), [])
    kind.patched_by_somebody_else = 1
    try:
        handle.remove()
        assert kind.patched_by_somebody_else == 1
    finally:
        del kind.patched_by_somebody_else


def test_frozen_and_ordered_containers_keep_their_order(pipe):
    pipe.held = collections.OrderedDict(a=1, b=2)
    with install(pipe, Config({"x": {"y": 1}}), []):
        pipe.held.move_to_end("a")
        pipe.held["c"] = 3
    assert list(pipe.held.items()) == [("a", 1), ("b", 2)]
    assert list(reversed(pipe.held)) == ["b", "a"]
