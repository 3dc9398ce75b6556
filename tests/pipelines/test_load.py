import json
import shutil

import pytest
import torch

from accel_opt.core.errors import InputError, UnknownNameError
from accel_opt.pipelines import find_model
from accel_opt.pipelines.load import load_pipeline
from accel_opt.testing import FLOW_KINDS, FLOW_SCHEDULER, KINDS, generate, tiny_pipeline

CLASSES = {
    "sd": "StableDiffusionPipeline",
    "sdxl": "StableDiffusionXLPipeline",
    "pixart-alpha": "PixArtAlphaPipeline",
    "pixart-sigma": "PixArtSigmaPipeline",
    "flux": "FluxPipeline",
    "sd3": "StableDiffusion3Pipeline",
}


@pytest.mark.parametrize("kind", [*KINDS, *FLOW_KINDS])
def test_a_folder_of_each_class_loads_as_it_was_saved(tiny_folders, kind, capfd):
    said = []
    pipe = load_pipeline(str(tiny_folders[kind]), device="cpu", on_notice=said.append)
    assert type(pipe).__name__ == CLASSES[kind]
    assert (str(pipe.device), pipe.dtype) == ("cpu", torch.float32)
    assert said == [f"{tiny_folders[kind]} runs on cpu in float32"]
    saved = tiny_pipeline(kind, FLOW_SCHEDULER if kind in FLOW_KINDS else "DDIMScheduler")
    mine, other = generate(pipe, steps=2), generate(saved, steps=2)
    # Not bit for bit: where weights lie in memory decides in which order kernels add.
    assert torch.allclose(mine, other, atol=1e-4)
    assert getattr(pipe, "safety_checker", None) is None
    assert getattr(pipe, "watermark", None) is None
    assert "%|" not in "".join(capfd.readouterr())


def test_the_bars_of_others_are_as_before(tiny_folders):
    from diffusers.utils import logging as diffusers_logging
    from huggingface_hub.utils import are_progress_bars_disabled
    from transformers.utils import logging as transformers_logging

    load_pipeline(str(tiny_folders["sd"]))
    assert diffusers_logging.is_progress_bar_enabled()
    assert transformers_logging.is_progress_bar_enabled()
    assert not are_progress_bars_disabled()


@pytest.mark.parametrize(
    ("name", "class_name"),
    [
        ("DPM-Solver++", "DPMSolverMultistepScheduler"),
        ("UniPC", "UniPCMultistepScheduler"),
        ("Heun", "HeunDiscreteScheduler"),
        ("DEISMultistepScheduler", "DEISMultistepScheduler"),
    ],
)
def test_schedulers_by_any_name_keep_the_training_schedule(tiny_folders, name, class_name):
    pipe = load_pipeline(str(tiny_folders["sd"]), scheduler=name)
    assert type(pipe.scheduler).__name__ == class_name
    assert pipe.scheduler.config.beta_end == 0.012
    assert torch.isfinite(generate(pipe, steps=3)).all()


def test_a_scheduler_that_diffusers_does_not_have(tiny_folders):
    with pytest.raises(UnknownNameError, match="did you mean 'DDIMScheduler'"):
        load_pipeline(str(tiny_folders["sd"]), scheduler="DDIIMScheduler")


def test_dtype_and_variant(tiny_folders, tmp_path):
    folder = tmp_path / "half"
    tiny_pipeline("sd").to(torch.float16).save_pretrained(folder, variant="fp16")
    said = []
    pipe = load_pipeline(str(folder), variant="fp16", dtype="float16", on_notice=said.append)
    assert pipe.unet.dtype == torch.float16
    assert "slow on CPUs" in said[-1]
    with pytest.raises(InputError, match="cannot load"):
        load_pipeline(str(folder), variant="nothing")
    with pytest.raises(InputError, match="choose one of float32"):
        load_pipeline(str(tiny_folders["sd"]), dtype="int8")


@pytest.mark.parametrize("device", ["cuda:97", "gpu", "mps:3"])
def test_a_device_that_is_not_there(tiny_folders, device):
    with pytest.raises(InputError, match=f"device='{device}'"):
        load_pipeline(str(tiny_folders["sd"]), device=device)


@pytest.mark.parametrize(
    ("class_name", "says"),
    [
        ("StableDiffusionImg2ImgPipeline", "needs a picture"),
        ("StableDiffusionXLInpaintPipeline", "needs a picture"),
        ("StableDiffusionControlNetPipeline", "needs a picture"),
        ("DDPMPipeline", "takes no prompt"),
        ("WanPipeline", "makes films"),
        ("StableCascadeDecoderPipeline", "neither a UNet nor a transformer"),
        ("NoSuchPipeline", "does not have"),
        (["their_code", "TheirPipeline"], "Python code"),
    ],
)
def test_not_text_to_image(tiny_folders, tmp_path, class_name, says):
    folder = tmp_path / "model"
    folder.mkdir()
    index = json.loads((tiny_folders["sd"] / "model_index.json").read_text())
    index["_class_name"] = class_name
    if class_name == "StableCascadeDecoderPipeline":
        del index["unet"]
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=says):
        load_pipeline(str(folder))


def test_text_to_image_that_may_take_a_picture_passes():
    import diffusers

    from accel_opt.pipelines.text_to_image import refusal

    for name in ("FluxPipeline", "StableDiffusion3Pipeline", "SanaPipeline", "Flux2Pipeline"):
        assert refusal(getattr(diffusers, name)) is None


@pytest.mark.parametrize("text", ["no json", "[]", "{}"])
def test_a_broken_index(tmp_path, text):
    (tmp_path / "model_index.json").write_text(text)
    with pytest.raises(InputError, match=r"model_index\.json"):
        load_pipeline(str(tmp_path))


def test_a_cut_off_checkpoint(tiny_folders, tmp_path):
    folder = shutil.copytree(tiny_folders["sd"], tmp_path / "model")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot load"):
        load_pipeline(str(folder))


def test_a_model_found_before_keeps_its_repository(monkeypatch):
    from accel_opt.pipelines import load

    asked = []
    monkeypatch.setattr(load, "source_of", lambda model, options: model.source)
    monkeypatch.setattr(load, "read_index", lambda *a: asked.append(a) or {}["stop"])
    with pytest.raises(KeyError):
        load_pipeline(
            find_model("PixArt-alpha/PixArt-XL-2-1024-MS"),
            cache_dir="/c",
            revision="r",
            token="hf_x",  # noqa: S106
        )
    source, kind, options = asked[0]
    assert (source, kind) == ("PixArt-alpha/PixArt-XL-2-1024-MS", "hub")
    assert (options.cache_dir, options.revision, options.token) == ("/c", "r", "hf_x")


def test_the_embedded_model(capfd):
    said = []
    pipe = load_pipeline(scheduler="DDIM", device="cpu", on_notice=said.append)
    assert type(pipe).__name__ == "StableDiffusionPipeline"
    assert pipe.dtype == torch.float32
    assert said == ["shapes runs on cpu in float32"]
    printed = "".join(capfd.readouterr())
    assert "%|" not in printed
    assert "torchvision" not in printed
