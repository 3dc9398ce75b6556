"""What is at work on a pipeline that somebody else has set up is found, with its parameters."""

import inspect

import pytest

from accel_opt.accelerators import registry, stack
from accel_opt.accelerators.detect import Call
from accel_opt.core.run import Refusal
from accel_opt.testing import tiny_pipeline

DEEPCACHE = {"cache_interval": 3, "cache_branch_id": 4}
TOME = {"ratio": 0.4, "max_downsample": 1}
TGATE = {"gate_step": 5, "sp_interval": 2, "fi_interval": 1, "warmup": 1}


@pytest.fixture
def pipe():
    return tiny_pipeline("sd")


def found(pipe, call=None):
    answers = {n: registry.get(n).detect(pipe, call or Call()) for n in registry.names()}
    return {name: answer for name, answer in answers.items() if answer is not None}


def test_nothing_on_a_plain_pipeline(pipe):
    assert found(pipe) == {}


@pytest.mark.parametrize(
    "config",
    [
        {"deepcache": DEEPCACHE},
        {"cfg_cutoff": {"cutoff_step": 5}},
        {"deepcache": DEEPCACHE, "tgate": TGATE, "tome": TOME},
    ],
    ids="+".join,
)
def test_our_own_hooks(pipe, config):
    handle = stack.apply(pipe, config)
    assert found(pipe) == config
    handle.remove()
    assert found(pipe) == {}


def test_deepcache_of_the_package(pipe):
    from DeepCache import DeepCacheSDHelper

    helper = DeepCacheSDHelper(pipe=pipe)
    helper.set_params(**DEEPCACHE)
    helper.enable()
    assert found(pipe) == {"deepcache": DEEPCACHE}
    helper.params["skip_mode"] = "quad"
    assert isinstance(found(pipe)["deepcache"], Refusal)
    helper.disable()
    assert found(pipe) == {}


def test_an_interval_of_one_is_off(pipe):
    from DeepCache import DeepCacheSDHelper

    helper = DeepCacheSDHelper(pipe=pipe)
    helper.set_params(cache_interval=1)
    helper.enable()
    assert found(pipe) == {}


def test_tome_of_the_package(pipe):
    import tomesd

    tomesd.apply_patch(pipe, **TOME)
    assert found(pipe) == {"tome": TOME}
    tomesd.remove_patch(pipe)
    assert found(pipe) == {}
    tomesd.apply_patch(pipe, merge_mlp=True)
    assert "merge_mlp" in found(pipe)["tome"].reason
    registry.get("tome").steady(pipe)
    first = pipe.unet._tome_info["args"]["generator"]
    assert first.initial_seed() == 0


def test_both_packages_at_once(pipe):
    import tomesd
    from DeepCache import DeepCacheSDHelper

    tomesd.apply_patch(pipe, **TOME)
    helper = DeepCacheSDHelper(pipe=pipe)
    helper.set_params(**DEEPCACHE)
    helper.enable()
    assert found(pipe) == {"deepcache": DEEPCACHE, "tome": TOME}


def test_tgate_of_the_package_is_told_by_the_call(pipe):
    from tgate import TgateSDDeepCacheLoader, TgateSDLoader

    fast = TgateSDLoader(pipe)
    assert found(fast) == {}, "loaded, not called"
    arguments = dict(TGATE, warm_up=TGATE["warmup"])
    call = Call("tgate", inspect.unwrap(fast.tgate).__module__, arguments)
    assert found(fast, call) == {"tgate": TGATE}
    both = TgateSDDeepCacheLoader(tiny_pipeline("sd"), cache_interval=3, cache_branch_id=0)
    call = Call("tgate", both.tgate.__module__, arguments)
    assert isinstance(found(both, call)["tgate"], Refusal)
