import copy

import pytest
import torch

from accel_opt.core.errors import InputError
from accel_opt.core.weights import has_random_weights
from accel_opt.pipelines import MODELS
from accel_opt.pipelines.load import load_pipeline
from accel_opt.pipelines.random_weights import (
    architecture,
    build,
    denoiser_on_meta,
)
from accel_opt.testing import tiny_pipeline

NAMES = ("SD1.5", "SD2.1", "SDXL", "PixArt-α", "PixArt-α-1024", "PixArt-Σ", "PixArt-Σ-512")
# Millions, as the authors publish them.
DENOISERS = {"SD1.5": 859.5, "SD2.1": 865.9, "SDXL": 2567.5, "PixArt-α": 610.9, "PixArt-Σ": 610.9}


@pytest.mark.parametrize(("name", "millions"), DENOISERS.items())
def test_denoisers_have_the_published_size(name, millions):
    denoiser = denoiser_on_meta(name, "float16")
    count = sum(p.numel() for p in denoiser.parameters())
    assert round(count / 1e6, 1) == millions
    assert {p.device.type for p in denoiser.parameters()} == {"meta"}
    assert denoiser.dtype == torch.float16


@pytest.mark.parametrize("name", NAMES)
def test_whole_pipelines_on_meta(name):
    plan = architecture(name)
    pipe = load_pipeline(name, weights="random", device="meta", dtype="float16")
    assert type(pipe).__name__ == plan["pipeline"]
    assert has_random_weights(pipe)
    for part, component in plan["components"].items():
        if "parameters" in component:
            network = getattr(pipe, part)
            assert sum(p.numel() for p in network.parameters()) == component["parameters"]


@pytest.mark.parametrize("name", NAMES)
def test_the_denoiser_draws_at_the_models_resolution(name):
    from accel_opt.pipelines import find_model

    denoiser = denoiser_on_meta(name)
    assert denoiser.config.sample_size * 8 == find_model(name).resolution


def test_every_large_model_of_the_catalogue_has_a_configuration():
    for model in MODELS.values():
        if model.kind == "hub":
            assert architecture(model)["pipeline"] == model.pipeline_class


def small(name, **changes):
    plan = copy.deepcopy(architecture(name))
    for part, config in changes.items():
        plan["components"][part]["config"].update(config)
    return plan


VAE = {"block_out_channels": [32] * 4}
PLAIN = {"clean_caption": False, "use_resolution_binning": False}
SMALL = {
    "SD1.5": {"unet": {"block_out_channels": [32] * 4}, "text_encoder": {"num_hidden_layers": 1}},
    "SDXL": {
        "unet": {
            "block_out_channels": [32] * 3,
            "transformer_layers_per_block": [1, 1, 1],
            "attention_head_dim": 8,
        },
        "text_encoder": {"num_hidden_layers": 2},
        "text_encoder_2": {"num_hidden_layers": 2},
    },
    "PixArt-α-1024": {
        "transformer": {"num_layers": 1},
        "text_encoder": {"num_layers": 1, "num_heads": 2, "d_ff": 64, "vocab_size": 128},
    },
}


@pytest.mark.parametrize("name", SMALL)
def test_made_smaller_it_draws_and_repeats(name):
    def images():
        plan = small(name, vae=VAE, **SMALL[name])
        pipe = build(plan, device="cpu", dtype="float32", seed=3)
        arguments = {} if "unet" in SMALL[name] else PLAIN
        return pipe(
            "a dog",
            num_inference_steps=2,
            height=64,
            width=64,
            output_type="np",
            generator=torch.Generator().manual_seed(0),
            **arguments,
        ).images

    state = torch.get_rng_state()
    first = images()
    assert torch.equal(torch.get_rng_state(), state)
    assert first.std() > 0.02
    assert (first == images()).all()


def test_prompts_are_padded_to_the_full_length():
    for name, length in (("SD1.5", 77), ("PixArt-α", 120), ("PixArt-Σ", 300)):
        pipe = load_pipeline(name, weights="random", device="meta")
        assert pipe.tokenizer.model_max_length == length
        tokens = pipe.tokenizer(
            "a photo of 2 cats", padding="max_length", max_length=length, return_tensors="pt"
        ).input_ids
        assert tokens.shape == (1, length)


@pytest.mark.parametrize("name", ["shapes", "owner/theirs"])
def test_models_without_a_configuration(name):
    with pytest.raises(InputError, match=r"only of SD1\.5, SD2\.1, SDXL"):
        load_pipeline(name, weights="random", device="cpu")


def test_other_pipelines_are_not_marked():
    assert not has_random_weights(tiny_pipeline("sd"))
