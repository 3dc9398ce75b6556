"""Folders of every kind searched with nothing but a small budget, and their programs run."""

from __future__ import annotations

import importlib.util

import pytest
from diffusers import FirstBlockCacheConfig

import accel_opt
from accel_opt import shapes
from accel_opt.core.errors import InputError, RefusedError
from accel_opt.core.spec import make_spec
from accel_opt.facade.main_job import run
from accel_opt.search.pipeline_problem import PipelineProblem
from accel_opt.testing import tiny_pipeline

KINDS = ("sd", "sdxl", "pixart-alpha", "pixart-sigma", "flux", "sd3")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_searched_and_its_program_runs(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flow = kind in ("flux", "sd3")
    scheduler = "FlowMatchEulerDiscreteScheduler" if flow else "DDIMScheduler"
    tiny_pipeline(kind, scheduler).save_pretrained("model")
    spec = make_spec(
        model="./model",
        steps=6,
        trials=2,
        prompts=4,
        prompts_from="embedded",
        scorer=str(shapes.clip_folder()),
        # Pictures of random weights have no quality to lose.
        max_score_loss=0.99,
        confirm=False,
    )
    outcome = run(spec)
    assert outcome.conditions["scheduler"] == scheduler
    failed = [t.reason for t in outcome.result.trials if t.outcome == "failed"]
    assert all("mean score" in reason for reason in failed), failed
    # The scorer may see nothing at all in such pictures. Programs load a model as its authors
    # saved it: with every part, and PixArt of a size that it was trained on.
    if outcome.program is None or kind not in ("sd", "sdxl", "flux"):
        return
    loaded = importlib.util.spec_from_file_location("program", outcome.program)
    program = importlib.util.module_from_spec(loaded)
    loaded.loader.exec_module(program)
    assert len(program.inference(program.load_pipe(), ["a cat"])) == 1


def test_a_pipeline_that_needs_a_picture_is_refused():
    from diffusers import StableDiffusionImg2ImgPipeline

    pipe = StableDiffusionImg2ImgPipeline(**tiny_pipeline("sd").components)
    with pytest.raises(InputError, match="needs a picture beside the prompt"):
        accel_opt.search(pipe, model="mine", trials=1)


SMALL = {"steps": 4, "trials": 1, "prompts": 2, "prompts_from": "embedded", "confirm": False}


def test_a_pipeline_built_from_parts_is_given_a_name(tmp_path):
    pipe = tiny_pipeline("sd", "UniPCMultistepScheduler")
    scorer = str(shapes.clip_folder())
    options = SMALL | {"scorer": scorer, "out": tmp_path, "max_score_loss": 0.99}
    with pytest.raises(InputError, match="give model='a name of yours'"):
        accel_opt.search(pipe, **options)
    result = accel_opt.search(pipe, model="mine", **options)
    assert len(result.trials) == 1
    assert result.study.study_name.startswith("mine-UniPCMultistepScheduler-4")


def test_a_model_whose_work_is_not_counted_is_searched_by_seconds(tmp_path):
    pipe = tiny_pipeline("chroma", "FlowMatchEulerDiscreteScheduler")
    options = SMALL | {"model": "ChromaPipeline", "out": tmp_path, "resolution": 32}
    problem = PipelineProblem.from_spec(make_spec(**options), pipe)
    assert problem.spec.accelerators == ("pab",)
    assert problem.space.work_of(problem.space.presets[0]) is None
    assert "not known how to call" in problem.uncounted.reason
    counted = PipelineProblem.from_spec(make_spec(**options, objective="flops"), pipe)
    with pytest.raises(RefusedError, match="--objective speedup"):
        counted.space  # noqa: B018 - made on first use


def test_what_was_done_to_a_pipeline_is_refused_without_naming_an_accelerator(tmp_path):
    pipe = tiny_pipeline("flux", "FlowMatchEulerDiscreteScheduler")
    pipe.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.1))
    scorer = str(shapes.clip_folder())
    with pytest.raises(RefusedError, match=r"disable_cache\(\)") as refused:
        accel_opt.search(pipe, **SMALL, model="mine", scorer=scorer, out=tmp_path)
    assert "--accelerators" not in str(refused.value)
