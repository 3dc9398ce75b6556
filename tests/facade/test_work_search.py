"""Random weights are ranked by FLOPs and seconds; quality is refused, not invented."""

from __future__ import annotations

import json

import pytest

from accel_opt import search, search_work
from accel_opt.core.config import Config
from accel_opt.core.errors import InputError, OutOfMemoryError
from accel_opt.core.spec import make_spec
from accel_opt.core.weights import mark_random_weights
from accel_opt.facade import work_timing
from accel_opt.facade.work_search import REFUSED, rank
from accel_opt.facade.work_timing import Ranked, timed_beside_plain
from accel_opt.search.pipeline_problem import PipelineProblem
from accel_opt.testing import tiny_pipeline


def test_all_settings_by_flops(tmp_path):
    result = search_work(model="SD1.5", steps=50, accelerators="deepcache", out=tmp_path)
    assert result.whole
    assert result.counted == len(result.settings) == 16
    ratios = [ranked.flops_ratio for ranked in result.settings]
    assert ratios == sorted(ratios, reverse=True)
    assert result.best.config == Config({"deepcache": {"cache_interval": 5, "cache_branch_id": 0}})
    assert result.best.flops_ratio == pytest.approx(3.80, rel=0.02)
    assert result.best.speedup is None
    kept = json.loads((tmp_path / "work.json").read_text())
    assert kept["quality"] == REFUSED
    assert kept["conditions"]["device"] == "counted on meta"
    assert not any("loss" in name for row in kept["settings"] for name in row)


def test_a_large_space_is_descended(tmp_path):
    result = search_work(model="SDXL", scheduler="UniPC", steps=20, out=tmp_path)
    assert not result.whole
    assert 50 < result.counted < 5000
    assert set(result.best.config) == {"deepcache", "tome", "tgate"}
    assert result.best.flops_ratio > 6


def small_problem(kind="sd", model="SD1.5", steps=8):
    options = {"model": model, "steps": steps, "resolution": 32, "batch_size": 2}
    return PipelineProblem.from_spec(make_spec(**options, weights="random"), tiny_pipeline(kind))


def deepcache(*intervals):
    return [
        Ranked(Config({"deepcache": {"cache_interval": n, "cache_branch_id": 0}}), 2.0)
        for n in intervals
    ]


def test_seconds_are_measured_beside_the_plain_pipeline():
    settings = deepcache(2, 4)
    said = []
    timed = timed_beside_plain(small_problem(), settings, said.append)
    assert [ranked.config for ranked in timed] == [ranked.config for ranked in settings]
    assert all(ranked.speedup > 0 and ranked.latency_s > 0 for ranked in timed)
    assert len(said) == 2


def test_pipelines_get_the_arguments_they_need():
    cut = Ranked(Config({"cfg_cutoff": {"cutoff_step": 2}}), 2.0)
    problem = small_problem("pixart-alpha", "PixArt-α-1024", steps=4)
    (timed,) = timed_beside_plain(problem, [cut], lambda _: None)
    assert timed.speedup > 0


def test_short_memory_ends_a_setting_not_the_run(monkeypatch):
    import torch

    problem = small_problem(steps=4)
    real = work_timing.timed

    def short(call, device):
        if any("forward" in vars(m) for m in problem.pipe.unet.modules()):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried much")
        return real(call, device)

    said = []
    monkeypatch.setattr(work_timing, "timed", short)
    (row,) = timed_beside_plain(problem, deepcache(2), said.append)
    assert (row.failed, row.speedup) == ("out of memory", None)
    assert said[0].text.endswith(": out of memory")

    def never(call, device):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried much")

    monkeypatch.setattr(work_timing, "timed", never)
    with pytest.raises(OutOfMemoryError, match="--batch-size"):
        timed_beside_plain(problem, deepcache(2), said.append)


def test_nobody_times_full_size_on_a_processor_unasked(tmp_path):
    said = []
    spec = make_spec(
        model="SD1.5", weights="random", accelerators="deepcache", device="cpu", out=tmp_path
    )
    result = rank(spec, said.append)
    assert result.spec.objective == "flops"
    assert "--objective speedup" in said[0].text
    assert result.conditions["device"] == "counted on meta"


@pytest.mark.parametrize(
    "asked",
    [
        {"max_score_loss": 0.05},
        {"max_loss": {"ssim": 0.3}},
        {"frontier": True},
        {"speedup": 2.0},
        {"latency": 1.0},
        {"references": True},
        {"objective": "memory"},
    ],
)
def test_quality_is_refused(asked, tmp_path):
    with pytest.raises(InputError, match=asked.get("objective", next(iter(asked)))):
        search_work(model="SD1.5", out=tmp_path, **asked)
    assert not list(tmp_path.iterdir())


def test_a_search_for_quality_names_the_other_door(tmp_path):
    with pytest.raises(InputError, match="search_work"):
        search(model="SD1.5", weights="random", out=tmp_path)
    pipe = tiny_pipeline("sd")
    mark_random_weights(pipe)
    with pytest.raises(InputError, match="noise"):
        search(pipe, model="SD1.5", steps=4, out=tmp_path)


def test_the_embedded_model_has_no_random_twin(tmp_path):
    with pytest.raises(InputError, match=r"SD1\.5"):
        search_work(model="shapes", out=tmp_path)
