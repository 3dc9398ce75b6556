from __future__ import annotations

import hashlib

import pytest

from accel_opt.core.errors import UnknownNameError
from accel_opt.tasks import CATEGORIES, baselines, catalogue, catalogue_entries, parse, render


def test_the_27_baselines_in_their_nesting():
    texts = baselines()
    assert len(texts) == 27
    assert texts[0] == (
        "Take an SD1.5 pipeline (DDIM, 50 steps) as the baseline, and achieve a {}x speedup"
    )
    tasks = [parse(text) for text in texts]
    assert [task.steps for task in tasks[:4]] == [50, 25, 20, 50]
    assert [task.scheduler for task in tasks[:9:3]] == [
        "DDIMScheduler",
        "DPMSolverMultistepScheduler",
        "UniPCMultistepScheduler",
    ]
    assert [task.model for task in tasks[::9]] == ["SD1.5", "SD2.1", "SDXL"]


def test_category_four_is_the_1134_texts():
    models = ["SD1.5", "SD2.1", "SDXL"]
    samplers = ["DDIM", "DPM-Solver++", "UniPCMultistepScheduler"]
    accelerators = [
        "DeepCache",
        "T-Gate",
        "ToMe",
        "DeepCache and ToMe",
        "DeepCache and T-Gate",
        "DeepCache, T-Gate, and ToMe",
    ]
    expected = [
        f"Generate a {model} pipeline using the {sampler} sampler with {steps} steps, "
        f"accelerated by {names} with {x}x speedup"
        for model in models
        for sampler in samplers
        for steps in (20, 25, 50)
        for names in accelerators
        for x in ("1.2", "1.5", "1.8", "2.0", "2.5", "3.0", "4.0")
    ]
    assert len(expected) == 1134
    assert catalogue("IV") == expected
    suffix = " and precision loss not exceeding 0.02"
    assert catalogue("IV", 0.02) == [text + suffix for text in expected]


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("loss", [None, 0.02])
def test_every_text_parses_and_renders_to_itself(category, loss):
    texts = catalogue(category, loss)
    assert len(set(texts)) == len(texts)
    assert [render(parse(text)) for text in texts] == texts


@pytest.mark.parametrize("loss", [None, 0.05])
def test_baselines_render_to_themselves(loss):
    assert [render(parse(text)) for text in baselines(loss)] == baselines(loss)


def test_entries_count_from_192():
    entries = catalogue_entries("IV", "gen")
    assert [entry["prompt_id"] for entry in entries] == [str(n) for n in range(192, 1326)]
    assert list(entries[0]) == ["prompt_id", "category", "prompt_context", "path_to_gen_code"]
    assert entries[-1]["path_to_gen_code"] == "gen_code/1325.py"
    assert {entry["category"] for entry in entries} == {4}
    assert catalogue_entries("iv", "anno")[0]["path_to_gt_code"] == "gt_code/192.py"
    assert catalogue_entries("II", first_id=7)[0]["prompt_id"] == "7"


def test_the_same_call_gives_the_same_bytes():
    digest = hashlib.sha256("\n".join(catalogue("IV")).encode()).hexdigest()
    assert digest == hashlib.sha256("\n".join(catalogue("IV")).encode()).hexdigest()


@pytest.mark.parametrize("category", ["VI", "", "4"])
def test_no_such_category(category):
    with pytest.raises(UnknownNameError, match="category"):
        catalogue(category)
    with pytest.raises(UnknownNameError, match="category"):
        catalogue_entries(category)


def test_no_such_format():
    with pytest.raises(UnknownNameError, match="format"):
        catalogue_entries("I", "json")
