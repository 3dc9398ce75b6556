"""What doctor says of models in folders and on the hub, none of whose weights it loads."""

import json
import shutil
import socket

import pytest
import torch
from huggingface_hub import constants

from accel_opt.cli import doctor_model
from accel_opt.cli.doctor_shell import lacking, shell
from accel_opt.core.errors import InputError
from accel_opt.pipelines.load import load_pipeline
from accel_opt.testing import FLOW_KINDS, FLOW_SCHEDULER, KINDS, tiny_pipeline

SHA = "a" * 40


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("tiny")
    for kind in (*KINDS, *FLOW_KINDS):
        pipe = tiny_pipeline(kind, FLOW_SCHEDULER if kind in FLOW_KINDS else "DDIMScheduler")
        pipe.save_pretrained(root / kind)
    return root


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def on_a_gpu(monkeypatch):
    """A machine whose GPU has bfloat16."""
    monkeypatch.setattr("accel_opt.pipelines.devices.default_device", lambda: "cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *a, **k: True)


def without_weights(folder, target):
    ignored = shutil.ignore_patterns("*.safetensors", "*.bin")
    return shutil.copytree(folder, target, ignore=ignored)


def said(name, steps=12, scheduler=None):
    return {c["what"]: c for c in doctor_model.model_checks(str(name), steps, scheduler)}


@pytest.mark.parametrize("kind", [*KINDS, *FLOW_KINDS])
def test_what_fits_is_what_fits_the_loaded_pipeline(folders, kind, tmp_path):
    from accel_opt.accelerators import stack

    pipe = load_pipeline(str(folders / kind), device="cpu")
    expected = doctor_model._accelerators(pipe, stack.run_info(pipe, 12, 7.5))
    bare = without_weights(folders / kind, tmp_path / kind)
    found = said(bare)
    assert [found[check["what"]] for check in expected] == expected
    assert type(pipe).__name__ in found["model"]["says"]
    assert type(pipe.scheduler).__name__ in found["model"]["says"]
    assert found["weights"]["ok"] is False


def test_a_shell_has_no_numbers(folders):
    index = json.loads((folders / "sd" / "model_index.json").read_text())
    state = torch.random.get_rng_state()
    pipe = shell(str(folders / "sd"), index, "folder", "UniPC")
    assert {p.device.type for p in pipe.unet.parameters()} == {"meta"}
    assert type(pipe.scheduler).__name__ == "UniPCMultistepScheduler"
    assert pipe.vae is None
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.usefixtures("on_a_gpu")
def test_the_precision_is_the_loaders(folders):
    assert said(folders / "sd")["model"]["says"].endswith("on cuda in float16")
    assert said(folders / "sd3")["model"]["says"].endswith("on cuda in bfloat16")
    assert said("PixArt-sigma")["model"]["says"].endswith("on cuda in float16")


def test_weights_of_every_part_are_looked_for(folders, tmp_path):
    assert said(folders / "sdxl")["weights"]["ok"] is True
    bare = without_weights(folders / "sdxl", tmp_path / "bare")
    says = said(bare)["weights"]["says"]
    assert "without the weights of" in says
    assert set(says.partition("weights of ")[2].split(", ")) == {
        "unet",
        "vae",
        "text_encoder",
        "text_encoder_2",
    }
    index = json.loads((bare / "model_index.json").read_text())
    (bare / "unet" / "diffusion_pytorch_model.fp16.safetensors").touch()
    assert "unet" in lacking(bare, index), "a variant is read only when asked for"
    assert not lacking(bare, {"layers": [9, 18, 27], "sizes": [1, 2], "vae": [None, None]})
    (bare / "unet" / "diffusion_pytorch_model.bin").touch()
    assert "unet" not in lacking(bare, index)


@pytest.mark.parametrize("source", ["owner/tiny", "runwayml/stable-diffusion-v1-5"])
def test_a_hub_model_of_which_only_small_files_are_cached(folders, tmp_path, source):
    repository = tmp_path / "hub" / f"models--{source.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(SHA)
    snapshot = without_weights(folders / "sd", repository / "snapshots" / SHA)
    weights = said(source)["weights"]
    assert weights["ok"] is None
    assert f"{source} is in the cache, without the weights of" in weights["says"]
    assert "unet" in weights["says"]
    for file in (folders / "sd").rglob("*.safetensors"):
        shutil.copy(file, snapshot / file.relative_to(folders / "sd"))
    assert said(source)["weights"] == {
        "ok": True,
        "what": "weights",
        "says": f"{source} is in the cache",
    }


def test_pairs_that_clash_say_why(folders):
    says = said(folders / "sd")["together"]["says"]
    assert "tgate with cfg_cutoff (both drop guidance: the second has no half left to drop)" in says
    assert "(both keep attention outputs)" in says


@pytest.mark.parametrize(
    ("part", "value", "says"),
    [
        ("unet", ["their_code", "TheirUNet"], "no class of diffusers"),
        ("unet", ["diffusers", "NoSuchUNet"], "does not have"),
        ("scheduler", ["their_code", "Theirs"], "no class of diffusers"),
    ],
)
def test_parts_that_are_not_of_diffusers(folders, tmp_path, part, value, says):
    folder = without_weights(folders / "sd", tmp_path / "model")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {part: value}))
    with pytest.raises(InputError, match=says):
        said(folder)


@pytest.mark.parametrize("text", ["no json", "[]", None])
def test_a_broken_configuration(folders, tmp_path, text):
    folder = without_weights(folders / "sd", tmp_path / "model")
    file = folder / "unet" / "config.json"
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(InputError, match=r"unet.config\.json"):
        said(folder)


def test_nothing_is_asked_of_the_network(folders, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert said(folders / "sd")["model"]["ok"] is True
    assert said("SD1.5")["weights"]["ok"] is None
