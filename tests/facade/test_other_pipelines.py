"""A search on pipelines that are no Stable Diffusion: the same call, the embedded scorer."""

from __future__ import annotations

import functools

import pytest

from accel_opt import search, shapes
from accel_opt.testing import FLOW_SCHEDULER, generate, same, tiny_pipeline

CASES = [
    ("flux", FLOW_SCHEDULER, "pab,taylorseer"),
    ("sd3", FLOW_SCHEDULER, "pab,cfg_cutoff"),
    ("pixart-alpha", "DDIMScheduler", "tome,cfg_cutoff,pab"),
    ("pixart-sigma", "UniPCMultistepScheduler", "first_block_cache"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "scheduler", "names"), CASES)
def test_a_search(kind, scheduler, names, tmp_path, monkeypatch):
    if not (shapes.clip_folder() / "config.json").is_file():
        pytest.skip("the embedded scorer's weights are not there")
    pipe = tiny_pipeline(kind, scheduler)
    before = generate(pipe, steps=4)
    if kind.startswith("pixart"):  # its tables of sizes hold none of toy size
        call = functools.partialmethod(type(pipe).__call__, use_resolution_binning=False)
        monkeypatch.setattr(type(pipe), "__call__", call)
    result = search(
        pipe,
        model=f"tiny/{kind}",
        steps=8,
        guidance_scale=5.0,
        accelerators=names,
        prompts=4,
        prompts_from="embedded",
        batch_size=2,
        trials=3,
        scorer=str(shapes.clip_folder()),
        resolution=32,
        out=tmp_path,
        storage=f"sqlite:///{tmp_path / 'study.db'}",
        confirm=False,
        max_score_loss=0.5,
    )
    assert len(result.trials) == 3
    assert all(set(trial.config) <= set(names.split(",")) for trial in result.trials)
    assert any(trial.measured for trial in result.trials)
    monkeypatch.undo()
    assert same(generate(pipe, steps=4), before)
