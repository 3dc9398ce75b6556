import os
import shutil
import subprocess
import sys

import pytest
import torch

from accel_opt.core.errors import HubUnreachableError, InputError, MissingPackageError
from accel_opt.metrics import clip_checkpoint
from accel_opt.metrics.clip_checkpoint import TRANSFORMERS_DEFAULT, Checkpoint, find_checkpoint
from accel_opt.metrics.clip_score import ClipScore


def test_scores_are_the_cosine_of_transformers_own_model(clip_folder, pictures):
    from transformers import CLIPModel, CLIPProcessor

    images, prompts = pictures
    model = CLIPModel.from_pretrained(clip_folder).eval()
    processor = CLIPProcessor.from_pretrained(clip_folder)
    inputs = processor(
        text=prompts, images=list(images), return_tensors="pt", padding=True, truncation=True
    )
    with torch.no_grad():
        out = model(**inputs)
    cosine = (out.image_embeds * out.text_embeds).sum(-1)
    expected = [100 * max(float(value), 0) for value in cosine]
    metric = ClipScore(str(clip_folder))
    assert metric.score(images, prompts) == pytest.approx(expected, abs=1e-3)
    assert metric.scorer == f"transformers CLIPModel, {clip_folder}"


def test_texts_are_encoded_once_and_in_batches_of_16(clip_folder, pictures, monkeypatch):
    images, prompts = pictures
    metric = ClipScore(str(clip_folder))
    asked = []
    encoder = metric._encoder
    texts, seen = encoder.texts, encoder.images
    monkeypatch.setattr(encoder, "texts", lambda p: asked.append(("texts", len(p))) or texts(p))
    monkeypatch.setattr(encoder, "images", lambda i: asked.append(("images", len(i))) or seen(i))
    metric.score(images, prompts)
    metric.score(images, prompts)
    assert asked == [
        ("images", 16),
        ("texts", 16),
        ("images", 4),
        ("texts", 4),
        ("images", 16),
        ("images", 4),
    ]


def test_one_checkpoint_is_loaded_once(clip_folder):
    assert ClipScore(str(clip_folder))._encoder is ClipScore(str(clip_folder))._encoder


@pytest.mark.parametrize("installed", [True, False])
def test_the_default_goes_by_what_is_installed(monkeypatch, installed):
    monkeypatch.setattr(clip_checkpoint, "open_clip_installed", lambda: installed)
    found = find_checkpoint(TRANSFORMERS_DEFAULT)
    if installed:
        assert found == Checkpoint("open_clip", "ViT-g-14", "laion2b_s34b_b88k")
        assert found.label == "open_clip ViT-g-14, laion2b_s34b_b88k"
    else:
        assert found == Checkpoint("transformers", TRANSFORMERS_DEFAULT)


def test_names_of_checkpoints(tmp_path, clip_folder):
    assert find_checkpoint("open_clip:ViT-B-32/laion2b_s34b_b79k").pretrained == "laion2b_s34b_b79k"
    file = tmp_path / "weights.safetensors"
    file.touch()
    found = find_checkpoint(f"open_clip:ViT-B-32/{file}")
    assert (found.pretrained, found.label) == (str(file), "open_clip ViT-B-32, weights.safetensors")
    assert find_checkpoint(str(clip_folder)).package == "transformers"
    (tmp_path / "open_clip_config.json").touch()
    assert find_checkpoint(str(tmp_path)) == Checkpoint("open_clip", str(tmp_path))
    for wrong in ("open_clip:ViT-B-32", "open_clip:/x"):
        with pytest.raises(InputError, match="write open_clip:MODEL/PRETRAINED"):
            find_checkpoint(wrong)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"neither config\.json"):
        find_checkpoint(str(tmp_path / "empty"))


@pytest.mark.skipif(clip_checkpoint.open_clip_installed(), reason="open_clip is installed")
def test_open_clip_is_an_extra():
    with pytest.raises(MissingPackageError, match=r"pip install 'accel_opt\[clip\]'"):
        ClipScore("open_clip:ViT-B-32/laion2b_s34b_b79k")


def test_another_kind_of_model_is_refused(tmp_path):
    from transformers import CLIPTextConfig, CLIPTextModel

    CLIPTextModel(
        CLIPTextConfig(
            hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=1
        )
    ).save_pretrained(tmp_path)
    with pytest.raises(InputError):
        ClipScore(str(tmp_path))


def test_half_a_checkpoint_is_refused(clip_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(clip_folder, tmp_path / "clip")
    state = load_file(folder / "model.safetensors")
    state.pop("text_projection.weight")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="no complete CLIPModel; its weights lack text_projection"):
        ClipScore(str(folder))


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("harmful", [True, False])
def test_a_pickled_checkpoint(clip_folder, pictures, tmp_path, harmful):
    from safetensors.torch import load_file

    folder = shutil.copytree(clip_folder, tmp_path / "clip")
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    if harmful:
        state["payload"] = Payload(tmp_path / "ran")
    torch.save(state, folder / "pytorch_model.bin")
    if harmful:
        with pytest.raises(InputError, match="pickled checkpoint"):
            ClipScore(str(folder))
        assert not (tmp_path / "ran").exists()
    else:
        images, prompts = pictures
        same = ClipScore(str(clip_folder)).score(images, prompts)
        assert ClipScore(str(folder)).score(images, prompts) == pytest.approx(same, abs=1e-4)


def test_offline(tmp_path):
    code = (
        "from accel_opt.metrics.clip_score import ClipScore\n"
        "try: ClipScore('laion/CLIP-ViT-g-14-laion2B-s34B-b88K')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("HubUnreachableError laion/CLIP-ViT-g-14")
    assert "HF_HUB_OFFLINE forbids" in done.stdout
    assert "--scorer with the folder" in done.stdout
    assert "--model shapes" in done.stdout


def test_a_dead_hub(monkeypatch, tmp_path):
    from huggingface_hub import constants

    from accel_opt.metrics import clip_transformers

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(clip_transformers, "reachable", lambda: False)
    with pytest.raises(HubUnreachableError, match="nor is the hub reachable"):
        clip_transformers._load("owner/clip-that-nobody-cached")
