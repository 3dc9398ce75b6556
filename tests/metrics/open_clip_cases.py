"""Run in an environment with open_clip and torchvision; every case asserts.

torchvision's wheels are CUDA builds. Beside a CPU torch it imports once two operators that it
registers fakes for are declared; nothing that runs here uses them.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

if torch.version.cuda is None:
    LIBRARY = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        LIBRARY.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import open_clip
from safetensors.torch import save_file

from accel_opt.core.errors import CorruptFileError, HubUnreachableError, InputError
from accel_opt.metrics import get_metric
from accel_opt.metrics.clip_score import ClipScore

FOLDER = Path(sys.argv[1])
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


class Payload:
    def __reduce__(self):
        return (open, (str(FOLDER / "ran"), "w"))


def pictures(n=20, size=64):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (n, 8, 8, 3)).astype("uint8")
    return coarse.repeat(size // 8, axis=1).repeat(size // 8, axis=2)


def refused(checkpoint, kind):
    start = time.monotonic()
    with pytest.raises(kind) as caught:
        ClipScore(checkpoint)
    assert type(caught.value) is kind
    assert time.monotonic() - start < 10
    return str(caught.value)


def save_tiny():
    (FOLDER / "tiny-clip.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(FOLDER / "tiny-clip.json")
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-clip", load_weights=False)
    save_file(model.state_dict(), FOLDER / "tiny.safetensors")
    saved = FOLDER / "saved"
    saved.mkdir()
    save_file(model.state_dict(), saved / "open_clip_model.safetensors")
    config = {"model_cfg": TINY, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    (saved / "open_clip_config.json").write_text(json.dumps(config))
    return model


def a_file_scores_as_open_clip_does(model):
    from PIL import Image

    images, prompts = pictures(), [f"picture {i}" for i in range(20)]
    metric = ClipScore(f"open_clip:tiny-clip/{FOLDER / 'tiny.safetensors'}")
    assert metric.scorer == "open_clip tiny-clip, tiny.safetensors"
    preprocess = open_clip.image_transform(32, is_train=False)
    with torch.no_grad():
        seen = model.eval().encode_image(
            torch.stack([preprocess(Image.fromarray(image)) for image in images]), normalize=True
        )
        read = model.encode_text(open_clip.get_tokenizer("tiny-clip")(prompts), normalize=True)
    expected = (100 * (seen * read).sum(-1)).clamp(min=0).numpy()
    scores = np.array(metric.score(images, prompts))
    assert np.allclose(scores, expected, atol=1e-3), abs(scores - expected).max()
    one_by_one = [metric.score(images[i : i + 1], prompts[i : i + 1])[0] for i in range(20)]
    assert np.allclose(scores, one_by_one, atol=1e-3)
    encoded = []
    texts = metric._encoder.texts
    metric._encoder.texts = lambda p: encoded.append(len(p)) or texts(p)
    metric.score(images, prompts)
    assert not encoded


def a_folder_scores():
    metric = ClipScore(str(FOLDER / "saved"))
    assert metric.scorer == f"open_clip {FOLDER / 'saved'}"
    assert len(metric.score(pictures(2), ["a", "b"])) == 2


def pickles():
    model = open_clip.create_model("tiny-clip", load_weights=False)
    torch.save(model.state_dict(), FOLDER / "tensors.pt")
    ClipScore(f"open_clip:tiny-clip/{FOLDER / 'tensors.pt'}")
    torch.save(model.state_dict() | {"payload": Payload()}, FOLDER / "payload.pt")
    said = refused(f"open_clip:tiny-clip/{FOLDER / 'payload.pt'}", InputError)
    assert "pickled checkpoint" in said, said
    assert not (FOLDER / "ran").exists()


def names():
    assert "has no model 'ViT-B-99'" in refused("open_clip:ViT-B-99/openai", InputError)
    said = refused("open_clip:ViT-B-32/nothing", InputError)
    assert "tags: openai, laion400m_e31" in said, said


def the_hub_is_away():
    said = refused("laion/CLIP-ViT-g-14-laion2B-s34B-b88K", HubUnreachableError)
    assert said.startswith("laion/CLIP-ViT-g-14-laion2B-s34B-b88K is neither"), said


def lpips():
    weights = Path(os.environ["TORCH_HOME"]) / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    with pytest.raises(HubUnreachableError, match=f"{weights.name}.*ssim or psnr"):
        get_metric("lpips")()
    from torchvision.models import alexnet

    weights.parent.mkdir(parents=True)
    torch.save({"payload": Payload()}, weights)
    with pytest.raises(CorruptFileError):
        get_metric("lpips")()
    assert not (FOLDER / "ran").exists()
    torch.save(alexnet().state_dict(), weights)
    metric = get_metric("lpips")()
    images = pictures(6)
    noise = np.random.default_rng(1).integers(-30, 30, images.shape)
    noisy = np.clip(images + noise, 0, 255).astype("uint8")
    assert np.allclose(metric.score(images, ["x"] * 6, images), 0, atol=1e-6)
    scores = np.array(metric.score(noisy, ["x"] * 6, images))
    assert (scores > 0.001).all()
    alone = [metric.score(noisy[i : i + 1], ["x"], images[i : i + 1])[0] for i in range(6)]
    assert np.allclose(scores, alone, atol=1e-5)


def main():
    model = save_tiny()
    a_file_scores_as_open_clip_does(model)
    a_folder_scores()
    pickles()
    names()
    the_hub_is_away()
    lpips()
    sys.stdout.write("all cases passed\n")


main()
