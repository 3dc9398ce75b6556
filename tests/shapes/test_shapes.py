"""The embedded model: its assets load, and its pictures show what their captions say."""

import random
import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest

from accel_opt import shapes

MEBIBYTE = 2**20


@cache
def pipe() -> Any:
    from check import load_pipe

    return load_pipe()


def test_captions_are_distinct_and_of_this_world() -> None:
    from world import caption, held_out, parse

    captions = shapes.captions()
    assert 400 <= len(captions) <= 600
    assert len(set(captions)) == len(captions)
    assert all(caption(parse(text)) == text for text in captions)
    unseen = set(shapes.heldout_captions())
    assert {text for text in captions if held_out(text)} == unseen
    singles = [text for text in captions if parse(text).relation is None]
    assert len(singles) > len(captions) / 2


def test_captions_need_nothing_but_the_standard_library() -> None:
    code = "import sys, accel_opt.shapes as s; s.captions(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_weights_are_small() -> None:
    files = [path for path in shapes.pipeline_folder().parent.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 25 * MEBIBYTE


def test_every_word_is_one_token() -> None:
    from transformers import CLIPTokenizer

    for folder in (shapes.pipeline_folder() / "tokenizer", shapes.clip_folder()):
        tokenizer = CLIPTokenizer.from_pretrained(folder)
        for text in shapes.captions():
            numbers = tokenizer(text).input_ids
            assert len(numbers) == len(text.split()) + 2 <= tokenizer.model_max_length
            assert tokenizer.unk_token_id not in numbers[1:-1]


def test_pixel_check_agrees_with_drawings() -> None:
    from drawing import draw
    from pixels import agrees
    from world import draw_scenes

    rng = random.Random(0)
    scenes = draw_scenes(60, 5, trained=False)
    agreed = np.mean([agrees(draw(scene, rng), scene) for scene in scenes], axis=0)
    assert agreed[0] == 1.0
    assert agreed[1] >= 0.95


def test_scorer_knows_drawings() -> None:
    from check import Scorer
    from drawing import draw
    from world import parse

    rng = random.Random(1)
    texts = list(shapes.heldout_captions())[:64]
    scores = Scorer()(np.stack([draw(parse(text), rng) for text in texts]), texts)
    assert (scores.argmax(1).numpy() == np.arange(64)).mean() >= 0.9
    assert scores.diagonal().mean() > 50


def test_model_has_the_layout_of_stable_diffusion() -> None:
    loaded = pipe()
    assert type(loaded).__name__ == "StableDiffusionPipeline"
    config = loaded.unet.config
    assert len(config.block_out_channels) == 4
    assert sum("CrossAttn" in name for name in config.down_block_types) == 3
    assert config.layers_per_block == 2
    assert loaded.safety_checker is None


def test_eight_pictures_have_the_right_colours() -> None:
    from check import generate
    from pixels import agrees
    from world import parse

    texts = list(shapes.heldout_captions())[:8]
    pictures = generate(pipe(), texts, 10, shapes.about()["guidance_scale"])
    agreed = np.sum([agrees(p, parse(t)) for p, t in zip(pictures, texts, strict=True)], axis=0)
    assert agreed[0] >= 7
    assert agreed[1] >= 6


@pytest.mark.slow
def test_bars() -> None:
    from check import Scorer, figures, generate

    texts = list(shapes.heldout_captions())[:64]
    pictures = generate(pipe(), texts, 20, shapes.about()["guidance_scale"])
    found = figures(pictures, texts, Scorer())
    assert found["first_among_32"] >= 0.9
    assert found["background"] >= 0.9
    assert found["figures"] >= 0.9
