"""The embedded transformer: loaded with the other one's autoencoder, it draws what it is told."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

import accel_opt
from accel_opt import shapes
from accel_opt.accelerators import registry, stack
from accel_opt.pipelines import find_model
from accel_opt.pipelines.calls import own_arguments

MODEL = find_model("shapes-dit")
TEXTS = list(shapes.heldout_captions())


@cache
def pipe() -> Any:
    return accel_opt.load_pipeline("shapes-dit", scheduler="DDIM", device="cpu")


def test_it_is_a_pixart_pipeline_of_its_own_classes() -> None:
    names = {
        part: type(getattr(pipe(), part)).__name__
        for part in ("transformer", "text_encoder", "tokenizer", "vae")
    }
    assert type(pipe()).__name__ == MODEL.pipeline_class == "PixArtAlphaPipeline"
    assert names == {
        "transformer": "PixArtTransformer2DModel",
        "text_encoder": "T5EncoderModel",
        "tokenizer": "T5Tokenizer",
        "vae": "AutoencoderKL",
    }


def test_its_autoencoder_is_the_other_pipelines() -> None:
    other = accel_opt.load_pipeline("shapes", device="cpu").vae.state_dict()
    for name, value in pipe().vae.state_dict().items():
        assert torch.equal(value, other[name]), name
    assert not (shapes.pipeline_folder("shapes-dit") / "vae").exists()


def test_a_loaded_pipeline_knows_its_name() -> None:
    from accel_opt.facade.apply import model_name
    from accel_opt.judge.truth import identity

    assert model_name(pipe()) == "shapes-dit"
    assert identity(str(shapes.pipeline_folder("shapes-dit"))) == identity("shapes-dit")


def test_calls_that_are_measured_and_calls_of_programs_are_given_the_same() -> None:
    assert own_arguments(pipe()) == {"clean_caption": False} | dict(MODEL.call_arguments)


def test_its_words_are_known() -> None:
    tokenizer = pipe().tokenizer
    for text in TEXTS:
        numbers = tokenizer(text).input_ids
        assert len(numbers) == len(text.split()) + 1
        assert tokenizer.unk_token_id not in numbers


def test_transformer_accelerators_support_it() -> None:
    fits = [name for name in registry.names() if not stack.supports((name,), pipe())]
    assert {"tome", "tgate", "cfg_cutoff", "pab"} <= set(fits)
    assert "deepcache" not in fits


def test_eight_pictures_have_the_right_colours() -> None:
    from check import generate
    from pixels import agrees
    from world import parse

    pictures = generate(pipe(), TEXTS[:8], 10, MODEL.guidance_scale)
    agreed = np.sum([agrees(p, parse(t)) for p, t in zip(pictures, TEXTS[:8], strict=True)], axis=0)
    assert agreed[0] >= 7
    assert agreed[1] >= 6


@pytest.mark.slow
def test_bars() -> None:
    from check import Scorer, figures, generate

    # Of all 320 it draws 92 % of the figures right: 64 would leave that to which ones they are.
    texts = TEXTS[:128]
    found = figures(generate(pipe(), texts, 20, MODEL.guidance_scale), texts, Scorer())
    assert found["first_among_32"] >= 0.9
    assert found["background"] >= 0.9
    assert found["figures"] >= 0.9
