"""What doctor says of this machine, and of a model without fetching it."""

from __future__ import annotations

import pytest

from accel_opt.accelerators import registry
from accel_opt.core import imports
from accel_opt.core.dims import Float, Int


@pytest.fixture
def checks_of(cli):
    def checks_of(*arguments):
        status, document, err = cli("doctor", "--json", *arguments, parse=True)
        assert status == 0, err
        return {check["what"]: check for check in document["checks"]}

    return checks_of


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_the_machine(checks_of):
    found = checks_of()
    expected = {"python", "packages", "device", "hub", "metric clip", "metric ssim", "prompts"}
    assert expected <= set(found)
    assert set(registry.names()) <= set(found)
    assert "offline" in found["hub"]["says"]
    assert "cache_interval 2..5 (higher is faster)" in found["deepcache"]["says"]
    assert "broadcast_start 0.1..0.4 (lower is faster)" in found["pab"]["says"]


def test_a_unet_by_name(checks_of):
    found = checks_of("--model", "SDXL", "--steps", "12", "--scheduler", "UniPC")
    assert "StableDiffusionXLPipeline, UniPCMultistepScheduler, 12 steps" in found["model"]["says"]
    assert "not in the cache" in found["weights"]["says"]
    assert "gate_step 5..11" in found["tgate"]["says"]
    assert "max_downsample 2..4" in found["tome"]["says"]
    assert found["first_block_cache"]["ok"] is None
    assert "no list of transformer blocks" in found["first_block_cache"]["says"]
    assert "tgate with pab" in found["together"]["says"]


def test_a_transformer_by_name(checks_of):
    found = checks_of("--model", "PixArt-sigma")
    assert found["deepcache"]["ok"] is None
    assert "no UNet" in found["deepcache"]["says"]
    for name in ("tgate", "tome", "cfg_cutoff", "pab", "first_block_cache", "faster_cache"):
        assert found[name]["ok"] is True, name
    assert "max_downsample 1 " in found["tome"]["says"] + " "


def test_the_embedded_model(checks_of):
    found = checks_of("--model", "shapes", "--steps", "20")
    assert found["weights"]["says"] == "in this package"
    assert found["deepcache"]["ok"] is True


def test_what_a_search_would_fetch(checks_of, monkeypatch, tmp_path):
    from huggingface_hub import constants

    from accel_opt.metrics.clip_score import ClipScore
    from accel_opt.metrics.lpips import Lpips
    from accel_opt.prompts import cache

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "is_prepared", lambda source: False)
    monkeypatch.setattr(Lpips, "requires", ())
    monkeypatch.setattr(Lpips, "has_weights", lambda: None)
    found = checks_of()
    clip = found["metric clip"]
    assert clip["ok"] is None
    assert "weights must be fetched: ViT-g-14 laion2b_s34b_b88k, 5.5 GB" in clip["says"]
    assert "--scorer" in clip["says"]
    assert "is not known: AlexNet of torchvision, 0.24 GB" in found["metric lpips"]["says"]
    assert found["prompts"]["ok"] is None
    assert "neither cached nor reachable: --prompts-from" in found["prompts"]["says"]
    monkeypatch.setattr(cache, "is_prepared", lambda source: True)
    monkeypatch.setattr(ClipScore, "has_weights", lambda: True)
    found = checks_of()
    assert found["prompts"] == {"ok": True, "what": "prompts", "says": "phiyodr/coco2017 is cached"}
    assert found["metric clip"]["ok"] is True
    assert "weights cached" in found["metric clip"]["says"]


def test_prompts_of_a_hub_that_answers(monkeypatch):
    from accel_opt.cli import doctor_needs
    from accel_opt.prompts import cache

    monkeypatch.setattr(cache, "is_cached", lambda source: False)
    assert "30 MB" in doctor_needs.prompts(reachable=True)["says"]


@pytest.mark.parametrize("count", [1, 3])
def test_every_gpu_is_named(monkeypatch, count):
    from contextlib import nullcontext

    import torch

    from accel_opt.cli import doctor

    for name, answer in {
        "is_available": lambda: True,
        "device_count": lambda: count,
        "mem_get_info": lambda number: ((10 + number) * 2**30, 24 * 2**30),
        "device": nullcontext,
        "is_bf16_supported": lambda including_emulation: including_emulation,
        "get_device_name": lambda number: f"Model {number}",
    }.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    found = doctor._devices()
    names = ["device"] if count == 1 else ["cuda:0", "cuda:1", "cuda:2"]
    assert [check["what"] for check in found] == names
    says = f"cuda: Model {count - 1}, {9 + count} of 24 GiB free, float16, no bfloat16"
    assert found[-1]["says"] == says


def test_unknown_models_are_refused(cli):
    status, _, err = cli("doctor", "--model", "no-such-model")
    assert status == 2
    assert "no-such-model" in err


def test_one_text_says_that_torchvision_is_broken():
    from accel_opt.cli import doctor

    assert doctor.TORCHVISION_BROKEN is imports.TORCHVISION_BROKEN


def test_ranges_read_well():
    from accel_opt.cli.doctor_model import ranges_text

    dims = {"a": Int(1, 1), "b": Float(0.1, 0.5, 0.1, faster="down")}
    assert ranges_text(dims) == "a 1, b 0.1..0.5 (lower is faster)"
