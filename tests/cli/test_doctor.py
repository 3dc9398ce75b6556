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
    assert {"python", "packages", "device", "hub", "metric clip", "metric ssim"} <= set(found)
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
