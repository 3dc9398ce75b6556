"""The full-size check's parts at small cost; the whole of it is one command in studies/."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from accel_opt.accelerators import stack
from accel_opt.core.config import Config
from accel_opt.testing import same, tiny_pipeline
from accel_opt.testing.contract import generate

sys.path.insert(0, str(Path(__file__).parents[2] / "studies" / "benchmarks" / "full_size"))

import cases
import full_size
from by_hand import by_hand, can
from counted import flops_by_module, keep_timesteps_here, meta_pipeline
from table import markdown

SMALL = {
    "deepcache": {"cache_interval": 3, "cache_branch_id": 1},
    "tome": {"ratio": 0.5, "max_downsample": 2},
    "tgate": {"gate_step": 5, "sp_interval": 2, "fi_interval": 2, "warmup": 1},
}
PLACES = [
    (kind, name)
    for kind in ("sd", "sdxl", "pixart-alpha")
    for name in SMALL
    if kind != "pixart-alpha" or name == "tgate"
]


@pytest.mark.parametrize("model", cases.MODELS)
def test_flops_are_those_counted_before(model):
    pipe = meta_pipeline(model)
    rows = full_size.known_rows(model, pipe)
    assert len(rows) >= 2 * len(cases.KNOWN[model]) - 7
    assert [row for row in rows if not row["ok"]] == []
    # Random weights on `meta` cost no memory: everything is there but the numbers.
    assert all(p.is_meta for p in (getattr(pipe, "unet", None) or pipe.transformer).parameters())
    by_setting = {row["setting"]: row["flops"] for row in full_size.flop_rows(model, pipe)}
    harshest = stack.canonical(
        Config(cases.HARSHEST[model]), stack.run_info(pipe, 50, full_size.GUIDANCE)
    )
    assert max(by_setting.values()) == by_setting[str(harshest)]
    if model in cases.FASTEST_AT_50:
        assert by_setting[str(harshest)] > cases.FASTEST_AT_50[model]


@pytest.mark.parametrize(("kind", "name"), PLACES)
def test_plugin_and_package_call_the_same_modules(kind, name):
    pipe = tiny_pipeline(kind)
    keep_timesteps_here(pipe.scheduler)
    config = Config({name: SMALL[name]})
    assert can(config, pipe)
    plain = flops_by_module(pipe, pipe, 8)
    with stack.applied(pipe, config) as call:
        ours = flops_by_module(call, pipe, 8, batch=2)
    with by_hand(pipe, config) as call:
        theirs = flops_by_module(call, pipe, 8, batch=2)
    assert ours == theirs
    assert len(ours) > 20
    assert flops_by_module(pipe, pipe, 8) == plain, "used by hand, the package left a trace"
    if name != "tome":  # at toy size merging costs more than it saves
        assert ours[""] < 2 * plain[""]


def test_only_what_one_package_does_is_done_by_hand():
    unet, transformer = tiny_pipeline("sd"), tiny_pipeline("pixart-alpha")
    assert not can(Config(SMALL), unet)
    assert not can(Config({"cfg_cutoff": {"cutoff_step": 3}}), unet)
    assert not can(Config({"tome": SMALL["tome"]}), transformer)


@pytest.mark.slow
def test_what_a_gpu_would_do_runs_here_too():
    pipe = tiny_pipeline("sd")
    before = generate(pipe, steps=4)
    small = cases.deepcache(2), cases.PAB
    for config in small:
        assert not stack.supports(config, pipe)
    rows = full_size.timed_rows("SD1.5", pipe, 2, 12, height=32, width=32)
    assert {row["batch"] for row in rows} == {2}
    assert any("of_package" in row for row in rows)
    assert all(row["speedup"] > 0 and row["fast_s"] > 0 for row in rows)
    assert same(generate(pipe, steps=4), before)
    known = full_size.known_rows("SD1.5", meta_pipeline("SD1.5"))
    page = markdown(
        {"machine": "M", "versions": {"torch": "2"}, "flops": [], "known": known[:1],
         "packages": [], "timed": rows}
    )  # fmt: skip
    assert "| SD1.5 | deepcache" in page
