"""Defaults of models outside the catalogue, and schedulers that do not fit them."""

from __future__ import annotations

import json
import shutil

import diffusers
import pytest

from accel_opt.core.errors import InputError
from accel_opt.core.spec import make_spec
from accel_opt.pipelines.load import load_pipeline
from accel_opt.pipelines.own import own_defaults_of
from accel_opt.pipelines.schedulers import NICKNAMES, process_of, set_scheduler
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
    with pytest.raises(InputError, match=rf"a process of noise, .* flow; .*--scheduler {FLOW}"):
        load_pipeline(folder(kind), scheduler="DDIM", device="cpu")
    kept = load_pipeline(folder(kind), scheduler="FlowMatchHeunDiscreteScheduler", device="cpu")
    assert type(kept.scheduler).__name__ == "FlowMatchHeunDiscreteScheduler"


def test_a_noise_model_runs_under_no_other():
    pipe = tiny_pipeline("sd")
    for name, process in ((FLOW, "flow"), ("EDMEulerScheduler", "EDMEulerScheduler")):
        with pytest.raises(InputError, match=f"a process of {process}"):
            set_scheduler(pipe, name)
    assert type(pipe.scheduler).__name__ == "DDIMScheduler"
    set_scheduler(pipe, "LCMScheduler")  # as for an adapter that makes it a model of few steps


@pytest.mark.parametrize(
    ("scheduler", "config", "process"),
    [
        ("DPMSolverMultistepScheduler", {"use_flow_sigmas": True}, "flow"),
        ("DPMSolverMultistepScheduler", {"prediction_type": "epsilon"}, "noise"),
        ("FlowMatchHeunDiscreteScheduler", {}, "flow"),
        ("LCMScheduler", {}, "noise"),
        # Sana's, which DDIM cannot run; and those whose schedules DDIM does not know.
        ("DDIMScheduler", {"prediction_type": "flow_prediction"}, "DDIMScheduler"),
        ("EDMDPMSolverMultistepScheduler", {}, "EDMDPMSolverMultistepScheduler"),
        ("CogVideoXDDIMScheduler", {}, "CogVideoXDDIMScheduler"),
        ("SCMScheduler", {}, "SCMScheduler"),
    ],
)
def test_what_a_scheduler_takes_a_model_s_output_for(scheduler, config, process):
    assert process_of(getattr(diffusers, scheduler), config) == process


def test_every_scheduler_that_has_a_nickname_runs_noise():
    for name in NICKNAMES.values():
        assert process_of(getattr(diffusers, name), {}) == "noise", name


def test_a_model_that_was_distilled_keeps_its_scheduler_and_steps(tmp_path):
    pipe = tiny_pipeline("sd")
    pipe.scheduler = diffusers.LCMScheduler.from_config(pipe.scheduler.config)
    few = diffusers.LatentConsistencyModelPipeline(**pipe.components, requires_safety_checker=False)
    few.save_pretrained(tmp_path)
    spec, _ = resolved(make_spec(model=str(tmp_path)))
    assert (spec.scheduler, spec.steps) == ("LCMScheduler", 4)


def test_a_model_without_scheduler_is_no_pipeline_to_search(folder, tmp_path):
    shutil.copytree(folder("sd"), tmp_path / "model")
    index = tmp_path / "model" / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"scheduler": [None, None]}))
    with pytest.raises(InputError, match="names no scheduler"):
        resolved(make_spec(model=str(tmp_path / "model")))


def test_only_the_name_of_a_study_needs_no_hub(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = {"scheduler": "DDIM", "steps": 20, "accelerators": ("tome",)}
    spec, _ = resolved(make_spec(model="somebody/something", **asked), named=True)
    assert str(spec.study).startswith("somebody_something-DDIMScheduler-20-tome")


def test_the_hub_s_options_are_part_of_the_study():
    spec, _ = resolved(make_spec(model="SD1.5", revision="main", variant="fp16"))
    assert str(spec.study).endswith("-revision-main-variant-fp16")
    with pytest.raises(InputError, match="leave --revision out"):
        resolved(make_spec(model="shapes", revision="main"))
