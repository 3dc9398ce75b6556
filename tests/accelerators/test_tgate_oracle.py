"""Our T-GATE against the package tgate 1.0.0, bit for bit."""

import functools

import pytest
import tgate

from accel_opt.accelerators import registry, stack
from accel_opt.core.run import Refusal, RunInfo
from accel_opt.testing import KINDS, SCHEDULERS, generate, same, tiny_pipeline

PLUGIN = registry.get("tgate")
LOADERS = {
    "sd": tgate.TgateSDLoader,
    "sdxl": tgate.TgateSDXLLoader,
    "pixart-alpha": tgate.TgatePixArtAlphaLoader,
    "pixart-sigma": tgate.TgatePixArtSigmaLoader,
}
NAMES = ("gate_step", "sp_interval", "fi_interval", "warmup")


@functools.cache
def pair(kind, scheduler):
    theirs = tiny_pipeline(kind, scheduler)
    LOADERS[kind](theirs)
    return tiny_pipeline(kind, scheduler), theirs


def equal(place, values, **arguments):
    ours, theirs = pair(*place)
    params = dict(zip(NAMES, values, strict=True))
    with PLUGIN.applied(ours, params) as call:
        output = generate(call, **arguments)
    params["warm_up"] = params.pop("warmup")
    return same(output, generate(theirs.tgate, **params, **arguments))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_spread_of_settings(kind, scheduler):
    place = (kind, scheduler)
    assert equal(place, (5, 2, 2, 1))
    assert equal(place, (8, 3, 3, 2), prompt=["a cat", "a dog", "a bird"])
    assert equal(place, (1, 1, 1, 0), size=48)
    assert equal(place, (11, 9, 5, 3), guidance=9.0)


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("kind", KINDS)
def test_many_settings(kind, scheduler):
    settings = [
        (gate, sp, fi, warmup)
        for gate in (1, 2, 5, 9, 11)
        for sp, fi, warmup in ((1, 1, 0), (2, 2, 1), (3, 1, 2), (4, 5, 0), (5, 3, 3), (9, 4, 1))
    ]
    assert [s for s in settings if not equal((kind, scheduler), s)] == []


@pytest.mark.parametrize(("steps", "distinct"), [(20, 1211), (25, 1365), (50, 1365)])
def test_distinct_schedules_of_the_default_space(steps, distinct):
    run = RunInfo(steps)
    forms = {
        tuple(PLUGIN.canonical({**dict(zip(NAMES, (gate, sp, fi, warmup), strict=True))}, run)
              .values())
        for gate in PLUGIN.params["gate_step"].values()
        for sp in PLUGIN.params["sp_interval"].values()
        for fi in PLUGIN.params["fi_interval"].values()
        for warmup in PLUGIN.params["warmup"].values()
    }  # fmt: skip
    assert len(forms) == distinct
    for name, values in zip(NAMES, zip(*forms, strict=True), strict=True):
        assert set(values) <= set(PLUGIN.params[name].values()), "a form outside the ranges"


def test_without_guidance_images_do_not_mix():
    # The package averages the two images of a batch here.
    pipe, _ = pair("sd", "DDIMScheduler")
    with PLUGIN.applied(pipe, dict(zip(NAMES, (5, 2, 2, 1), strict=True))) as call:
        one = generate(call, prompt=["a cat", "a dog"], guidance=1.0)
        other = generate(call, prompt=["a cat", "a bird"], guidance=1.0)
    assert same(one[0], other[0])
    assert not same(one[1], other[1])


def test_programs_without_guidance_carry_our_hooks():
    run = stack.run_info(pair("sd", "DDIMScheduler")[0], 12, guidance_scale=1.0)
    assert PLUGIN.code(dict(zip(NAMES, (5, 2, 2, 1), strict=True)), run) is None


def test_gates_that_never_open_are_refused():
    for gate in (0, 20, 25):
        form = PLUGIN.canonical(dict(zip(NAMES, (gate, 2, 1, 1), strict=True)), RunInfo(20))
        assert isinstance(form, Refusal)
        assert "1 to 19" in form.reason
