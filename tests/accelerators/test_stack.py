import copy

import pytest
import torch
from tgate import TgateSDDeepCacheLoader

from accel_opt.accelerators import stack
from accel_opt.core.config import Config
from accel_opt.core.errors import InputError, RefusedError, UnknownNameError
from accel_opt.core.run import ModelInfo, Refusal, RunInfo
from accel_opt.testing import generate, same, tiny_pipeline

DEEPCACHE = {"cache_interval": 3, "cache_branch_id": 0}
TOME = {"ratio": 0.5, "max_downsample": 2}
TGATE = {"gate_step": 5, "sp_interval": 2, "fi_interval": 2, "warmup": 1}


def test_order_is_innermost_first():
    names = [member.name for member in stack.order(["tgate", "tome", "deepcache"])]
    assert names == ["deepcache", "tome", "tgate"]
    assert [m.name for m in stack.order(["cfg_cutoff", "deepcache"])] == ["deepcache", "cfg_cutoff"]


@pytest.mark.parametrize(
    ("gate", "interval", "branch"), [(5, 3, 0), (5, 2, 1), (6, 3, 3), (1, 3, 0), (9, 5, 2)]
)
def test_deepcache_under_tgate_equals_the_package_for_both(gate, interval, branch):
    # On a first call: of many settings, the package's second call differs from its first.
    ours, theirs = tiny_pipeline("sd"), tiny_pipeline("sd")
    tgate = {"gate_step": gate, "sp_interval": 1, "fi_interval": 1, "warmup": 0}
    config = {
        "deepcache": {"cache_interval": interval, "cache_branch_id": branch},
        "tgate": tgate,
    }
    TgateSDDeepCacheLoader(theirs, cache_interval=interval, cache_branch_id=branch)
    with stack.applied(ours, config) as call:
        output = generate(call)
        assert same(output, generate(call))
    options = {"warm_up" if k == "warmup" else k: v for k, v in tgate.items()}
    assert same(output, generate(theirs.tgate, **options))


def test_self_attention_that_tgate_reuses_is_unmerged_with_its_own_matching():
    # Through the packages T-GATE keeps merged tokens, and the next step puts them elsewhere.
    pipe = tiny_pipeline("sd")
    kept = {}
    attention = pipe.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn1

    def record(_module, args, output):
        kept.setdefault("shapes", set()).add((args[0].shape[1], output.shape[1]))
        kept.setdefault("outputs", []).append(output)

    attention.register_forward_hook(record)
    with stack.applied(pipe, {"tome": TOME, "tgate": {**TGATE, "gate_step": 7}}) as call:
        generate(call)
    outputs = kept["outputs"]
    assert kept["shapes"] == {(256, 256)}, "what is kept is the whole image"
    assert outputs[3] is outputs[2], "call 3 answers from call 2"
    assert outputs[2] is not outputs[1]


def test_pairs_that_drop_guidance_twice_are_refused():
    config = Config({"tgate": TGATE, "cfg_cutoff": {"cutoff_step": 5}})
    refusal = stack.canonical(config, RunInfo(20))
    assert isinstance(refusal, Refusal)
    assert "tgate" in refusal.reason
    assert "leave one out" in refusal.reason
    with pytest.raises(RefusedError, match="both drop guidance"):
        stack.apply(tiny_pipeline("sd"), config)


def test_canonical_is_the_members_normal_forms():
    run = RunInfo(20, model=ModelInfo())
    config = Config({"deepcache": {"cache_interval": 50, "cache_branch_id": 1},
                     "tome": {"ratio": 0.9, "max_downsample": 3}})  # fmt: skip
    assert stack.canonical(config, run).to_dict() == {
        "deepcache": {"cache_branch_id": 1, "cache_interval": 20},
        "tome": {"max_downsample": 2, "ratio": 0.75},
    }
    assert stack.canonical(Config(), run) == Config()
    with pytest.raises(UnknownNameError, match="did you mean 'tome'"):
        stack.canonical(Config({"tom": TOME}), run)


def test_apply_refuses_with_reasons():
    pipe = tiny_pipeline("sd")
    with pytest.raises(RefusedError, match="empty"):
        stack.apply(pipe, {})
    with pytest.raises(RefusedError, match="1 to 11"):
        stack.apply(pipe, {"tgate": {**TGATE, "gate_step": 12}}, stack.run_info(pipe, 12))
    with pytest.raises(RefusedError, match="0 to 11"):
        stack.apply(pipe, {"deepcache": {"cache_interval": 3, "cache_branch_id": 12}})
    with pytest.raises(InputError, match="warm_up"):
        stack.apply(pipe, {"tgate": {"gate_step": 5, "warm_up": 1}})
    with pytest.raises(RefusedError, match="no UNet"):
        stack.apply(tiny_pipeline("pixart-alpha"), {"deepcache": DEEPCACHE})
    assert "_accel_opt_handle" not in vars(pipe.unet)


def test_one_config_at_a_time_also_for_pipelines_that_share_a_denoiser():
    from diffusers import StableDiffusionImg2ImgPipeline

    pipe = tiny_pipeline("sd")
    other = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    handle = stack.apply(pipe, {"tome": TOME})
    with pytest.raises(RefusedError, match="already runs tome"):
        stack.apply(other, {"deepcache": DEEPCACHE})
    handle.remove()
    with stack.applied(other, {"deepcache": DEEPCACHE}):
        pass


def test_a_compiled_denoiser_is_refused():
    pipe = tiny_pipeline("sd")
    pipe.unet = torch.compile(pipe.unet)
    with pytest.raises(RefusedError, match="compiled"):
        stack.apply(pipe, {"tome": TOME})


def test_copies_of_an_accelerated_denoiser_are_refused():
    pipe = tiny_pipeline("sd")
    refused = pytest.raises(RefusedError, match="copy, and apply again")
    with stack.applied(pipe, {"tome": TOME}), refused:
        copy.deepcopy(pipe.unet)
    assert copy.deepcopy(pipe.unet) is not pipe.unet


def test_another_scheduler_while_applied():
    from diffusers import EulerDiscreteScheduler

    pipe = tiny_pipeline("sd")
    pipe.scheduler, first = (
        EulerDiscreteScheduler.from_config(pipe.scheduler.config),
        pipe.scheduler,
    )
    with stack.applied(pipe, {"deepcache": DEEPCACHE, "tgate": TGATE}) as call:
        expected = generate(call)
    pipe.scheduler = first
    with stack.applied(pipe, {"deepcache": DEEPCACHE, "tgate": TGATE}) as call:
        generate(call)
        pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
        assert same(generate(call), expected)
        assert same(generate(call), expected)


def test_ranges_follow_the_run():
    run = RunInfo(10, model=ModelInfo(branches=3, attention_levels=(2, 4)))
    found = stack.space(["tgate", "deepcache", "tome"], run)
    assert list(found) == ["deepcache", "tome", "tgate"]
    assert found["deepcache"]["cache_branch_id"].values() == (0, 1, 2)
    assert found["tgate"]["gate_step"].values() == (5, 6, 7, 8, 9)
    assert found["tome"]["max_downsample"].values() == (2, 3, 4)


def test_model_info_of_the_kinds():
    assert stack.model_info(tiny_pipeline("sd")).attention_levels == (1, 2, 4, 8)
    assert stack.model_info(tiny_pipeline("sd")).branches == 12
    assert stack.model_info(tiny_pipeline("sdxl")).attention_levels == (2, 4)
    assert stack.model_info(tiny_pipeline("pixart-sigma")).denoiser == "transformer"
    with pytest.raises(RefusedError, match="neither"):
        stack.model_info(object())
