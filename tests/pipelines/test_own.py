"""Defaults of models outside the catalogue, and schedulers that do not fit them."""

from __future__ import annotations

import pytest

from accel_opt.core.errors import InputError
from accel_opt.core.spec import make_spec
from accel_opt.pipelines.load import load_pipeline
from accel_opt.pipelines.own import own_defaults_of
from accel_opt.pipelines.schedulers import expects, set_scheduler
from accel_opt.search.defaults import resolved
from accel_opt.testing import tiny_pipeline

FLOW = "FlowMatchEulerDiscreteScheduler"
UNETS = ("deepcache", "tome", "tgate")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = {}

    def of(kind):
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind) / "model"
            scheduler = {"flux": FLOW, "sd3": FLOW, "sd": "PNDMScheduler"}
            pipe = tiny_pipeline(kind, scheduler.get(kind, "DPMSolverMultistepScheduler"))
            pipe.save_pretrained(made[kind])
        return str(made[kind])

    return of


@pytest.mark.parametrize(
    ("kind", "scheduler", "guidance", "accelerators"),
    [
        ("sd", "DDIMScheduler", 7.5, UNETS),
        ("sdxl", "DDIMScheduler", 5.0, UNETS),
        ("pixart-alpha", "DDIMScheduler", 4.5, ("tome", "tgate")),
        ("pixart-sigma", "DDIMScheduler", 4.5, ("tome", "tgate")),
        ("flux", FLOW, 3.5, ("pab", "first_block_cache")),
        ("sd3", FLOW, 7.0, ("pab",)),
    ],
)
def test_defaults_come_from_the_model(folder, kind, scheduler, guidance, accelerators):
    spec, _ = resolved(make_spec(model=folder(kind)))
    found = (spec.scheduler, spec.guidance_scale, spec.accelerators)
    assert found == (scheduler, guidance, accelerators)
    # What a process of its own is handed asks for nothing more.
    again, _ = resolved(type(spec).model_validate_json(spec.model_dump_json()))
    assert (again.scheduler, again.guidance_scale, again.accelerators) == found


def test_what_is_given_wins(folder):
    asked = {"scheduler": "UniPC", "guidance_scale": 2.0, "accelerators": ("cfg_cutoff",)}
    spec, _ = resolved(make_spec(model=folder("sd"), **asked))
    assert spec.scheduler == "UniPCMultistepScheduler"
    assert (spec.guidance_scale, spec.accelerators) == (2.0, ("cfg_cutoff",))


def test_a_pipeline_of_ones_own_keeps_its_scheduler():
    own = own_defaults_of(tiny_pipeline("sd", "UniPCMultistepScheduler"))
    assert own.scheduler == "UniPCMultistepScheduler"
    assert own.accelerators == ()


@pytest.mark.parametrize("kind", ["flux", "sd3"])
def test_a_flow_model_runs_under_no_noise_scheduler(folder, kind):
    with pytest.raises(InputError, match=r"a process of noise, .* flow .*leave --scheduler out"):
        load_pipeline(folder(kind), scheduler="DDIM", device="cpu")
    kept = load_pipeline(folder(kind), scheduler="FlowMatchHeunDiscreteScheduler", device="cpu")
    assert type(kept.scheduler).__name__ == "FlowMatchHeunDiscreteScheduler"


def test_a_noise_model_runs_under_no_other():
    pipe = tiny_pipeline("sd")
    for name, process in ((FLOW, "flow"), ("LCMScheduler", "few steps")):
        with pytest.raises(InputError, match=f"a process of {process}"):
            set_scheduler(pipe, name)
    assert type(pipe.scheduler).__name__ == "DDIMScheduler"


def test_flow_matching_is_told_from_the_configuration_too():
    assert expects("DPMSolverMultistepScheduler", {"use_flow_sigmas": True}) == "flow"
    assert expects("DPMSolverMultistepScheduler", {"prediction_type": "epsilon"}) == "noise"
    assert expects("UniPCMultistepScheduler", {"prediction_type": "flow_prediction"}) == "flow"


def test_the_hub_s_options_are_part_of_the_study():
    spec, _ = resolved(make_spec(model="SD1.5", revision="main", variant="fp16"))
    assert str(spec.study).endswith("-main-fp16")
