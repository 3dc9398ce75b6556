"""The full-size check's parts at small cost; the whole of it is one command in studies/."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from accel_opt.accelerators import stack
from accel_opt.core.config import Config
from accel_opt.testing import same, tiny_pipeline
from accel_opt.testing.contract import generate

sys.path.insert(0, str(Path(__file__).parents[2] / "studies" / "benchmarks" / "full_size"))

import cases
import count_rows
import full_size
from by_hand import by_hand, can
from counted import arguments, counted, keep_timesteps_here, meta_pipeline
from kept import Kept
from timed_rows import PLAIN, Unit, settings
from work import Budget, Work, pieces

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
    rows = count_rows.known_rows(model, pipe)
    assert len(rows) >= 2 * len(cases.KNOWN[model]) - 7
    assert [row for row in rows if not row["ok"]] == []
    # Random weights on `meta` cost no memory: everything is there but the numbers.
    assert all(p.is_meta for p in (getattr(pipe, "unet", None) or pipe.transformer).parameters())
    by_setting = {row["setting"]: row["flops"] for row in count_rows.flop_rows(model, pipe)}
    harshest = stack.canonical(
        Config(cases.HARSHEST[model]), stack.run_info(pipe, 50, cases.GUIDANCE)
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
    plain = counted(pipe, pipe, 8)
    with stack.applied(pipe, config) as call:
        ours = counted(call, pipe, 8, batch=2)
    with by_hand(pipe, config) as call:
        theirs = counted(call, pipe, 8, batch=2)
    assert ours == theirs
    assert len(ours.flops) > 20
    assert len(ours.calls) > 20
    assert counted(pipe, pipe, 8) == plain, "used by hand, the package left a trace"
    if name != "tome":  # at toy size merging costs more than it saves
        assert ours.total < 2 * plain.total


def test_counts_are_those_of_torch():
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    pipe = meta_pipeline("PixArt-α-1024")
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        pipe(num_inference_steps=2, guidance_scale=7.5, **arguments(pipe))
    found = counted(pipe, pipe, 2)
    assert found.total == counter.get_total_flops()
    by_module = counter.get_flop_counts()
    own = {path: flops for path, flops in found.flops.items() if path}
    assert own == {p: sum(by_module[f"PixArtTransformer2DModel.{p}"].values()) for p in own}


def test_only_what_one_package_does_is_done_by_hand():
    unet, transformer = tiny_pipeline("sd"), tiny_pipeline("pixart-alpha")
    assert not can(Config(SMALL), unet)
    assert not can(Config({"cfg_cutoff": {"cutoff_step": 3}}), unet)
    assert not can(Config({"tome": SMALL["tome"]}), transformer)


def asked(tmp_path, *arguments: str):
    options = full_size.parsed(["--out", str(tmp_path), "--models", "SD1.5", *arguments])
    conditions = {"machine": "M", "versions": {}, "dtype": "float32", "backends": {"cudnn": "x"}}
    kept = Kept(tmp_path / "M", conditions, anew=options.anew)
    return options, kept


def work(options, kept, *, minutes=None, pipe=None):
    small = {"height": 32, "width": 32}
    made = pipe or tiny_pipeline("sd")
    return Work(options, kept, Budget(minutes), "cpu", load=lambda _: made, more=small)


def read(tmp_path):
    return json.loads((tmp_path / "M.json").read_text())


BARS = ("--only", "bars", "--batches", "2")


@pytest.mark.slow
def test_bars_are_timed_once(tmp_path, monkeypatch):
    import timed_runs

    monkeypatch.setattr(timed_runs, "LONG_S", 0.0)
    monkeypatch.setattr(cases, "STEPS", (8,))
    pipe = tiny_pipeline("sd")
    before = generate(pipe, steps=4)
    options, kept = asked(tmp_path, *BARS)
    assert work(options, kept, pipe=pipe).done() == []
    assert same(generate(pipe, steps=4), before)
    rows = read(tmp_path)["timed"]
    assert rows[0]["setting"] == PLAIN
    assert {row["batch"] for row in rows} == {2}
    assert sum("of_package" in row for row in rows) == 3
    assert all(row["speedup"] > 0 and row["fast_s"] > 0 and row["flops"] > 0 for row in rows[1:])
    page = (tmp_path / "M.md").read_text()
    assert "| SD1.5 | deepcache" in page
    assert "cudnn: x" in page
    monkeypatch.setattr(Unit, "warm_up", lambda _: pytest.fail("measured again"))
    options, kept = asked(tmp_path, *BARS)
    assert work(options, kept).done() == []
    options, kept = asked(tmp_path, *BARS, "--anew")
    with pytest.raises(pytest.fail.Exception):
        work(options, kept).done()
    assert len(read(tmp_path)["timed"]) == len(rows), "rows stand until they are replaced"


def test_short_memory_is_a_row(tmp_path, monkeypatch):
    import timed_rows
    import torch

    def once(call, pipe, steps, batch, **more):
        del steps, more
        if batch > 1 and call is not pipe:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 1.0

    monkeypatch.setattr(timed_rows, "once", once)
    options, kept = asked(tmp_path, "--only", "bars", "--steps", "20")
    assert work(options, kept).done() == []
    rows = [row for row in read(tmp_path)["timed"] if row["setting"] != PLAIN]
    assert {row.get("failed") for row in rows if row["batch"] == 8} == {"out of memory"}
    assert {row.get("failed") for row in rows if row["batch"] == 1} == {None}
    assert not any("ok" in row for row in rows if row["batch"] == 8)
    assert "| out of memory |" in (tmp_path / "M.md").read_text()


def test_one_failure_loses_nothing(tmp_path, monkeypatch):
    import timed_rows

    def broken(*_: object) -> None:
        raise RuntimeError("no such kernel\nmore")

    monkeypatch.setattr(timed_rows, "by_hand", broken)
    monkeypatch.setattr(timed_rows, "once", lambda *_, **__: 1.0)
    monkeypatch.setattr(cases, "STEPS", (20,))
    options, kept = asked(tmp_path, *BARS)
    assert work(options, kept).done() == []
    failed = [row for row in read(tmp_path)["timed"] if "failed" in row]
    assert {row["failed"] for row in failed} == {"RuntimeError: no such kernel"}
    assert [row["ok"] for row in failed] == [False] * 3
    assert len(kept.bars()) == 3


def test_a_model_that_cannot_be_made_is_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr(cases, "STEPS", (20,))
    options, kept = asked(tmp_path, *BARS)

    def load(_: str) -> None:
        raise MemoryError

    there = Work(options, kept, Budget(None), "cpu", load=load)
    there._own_load = False
    assert there.done() == []
    assert [row["failed"] for row in read(tmp_path)["timed"]] == ["out of memory"]


def test_the_end_of_the_time_says_what_is_left(tmp_path):
    options, kept = asked(tmp_path)
    left = work(options, kept, minutes=0).done()
    assert left[0] == "SD1.5, batch 1, 50 steps: bars"
    assert left[-1] == "SD1.5, 50 steps: packages"
    assert not (tmp_path / "M.json").exists()


def test_other_conditions_replace_earlier_rows(tmp_path):
    _, kept = asked(tmp_path)
    row = {"model": "SD1.5", "steps": 20, "setting": "s", "batch": 1, "speedup": 2.0}
    kept.put("timed", row)
    assert Kept(tmp_path / "M", kept.conditions).has("timed", ("SD1.5", 20, 1, "s"))
    other = Kept(tmp_path / "M", kept.conditions | {"dtype": "bfloat16"})
    assert other.differs == ["dtype"]
    assert not other.has("timed", ("SD1.5", 20, 1, "s"))


def test_the_bars_come_first():
    options = full_size.parsed([])
    order = list(pieces(options, timed=True))
    assert [piece.model for piece in order[:4]] == ["SD1.5", "SDXL", "SD2.1", "PixArt-α-1024"]
    assert {(p.batch, p.steps, p.only) for p in order[:4]} == {(1, 50, ("bars",))}
    assert not any(piece.batch for piece in pieces(options, timed=False))
    transformer = tiny_pipeline("pixart-alpha")
    timed = settings("PixArt-α-1024", transformer, 20, ("presets",))
    assert any("first_block_cache" in config for config in timed)


def test_the_fastest_is_held_against_its_bar(tmp_path):
    _, kept = asked(tmp_path)
    for batch, speedup in ((1, 4.0), (8, 5.5)):
        kept.put(
            "timed",
            {"model": "SD1.5", "steps": 50, "setting": "s", "batch": batch, "speedup": speedup},
        )
    (row,) = kept.bars()
    assert (row["batch"], row["wanted"], row["ok"]) == (8, 5.0, True)
