from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel_opt.core.errors import InputError, UnknownNameError
from accel_opt.tasks import OPEN, Task, parse, render

FOUR_FORMS = {
    "Take an SD1.5 pipeline (DDIM, 50 steps) as the baseline, and achieve a 8.5x speedup": Task(
        "SD1.5", "DDIM", 50, (), 8.5, form="baseline"
    ),
    "Generate a SD1.5 pipeline using the DDIM sampler with 50 steps, accelerated by DeepCache "
    "with 3.04x speedup and precision loss not exceeding 0.02": Task(
        "SD1.5", "DDIM", 50, ("deepcache",), 3.04, 0.02
    ),
    "Generate a SD1.5 pipeline using the DPM-Solver++ with 20 steps, accelerated by T-Gate with "
    "1.44x speedup and precision loss not exceeding 0.02": Task(
        "SD1.5", "DPM-Solver++", 20, ("tgate",), 1.44, 0.02
    ),
    "Generate a SDXL pipeline using the UniPCMultistepScheduler sampler with 25 steps, "
    "accelerated by DeepCache, T-Gate, and ToMe with 2.5x speedup": Task(
        "SDXL", "UniPCMultistepScheduler", 25, ("deepcache", "tgate", "tome"), 2.5
    ),
}


@pytest.mark.parametrize("text", FOUR_FORMS)
def test_the_four_forms(text):
    assert parse(text) == FOUR_FORMS[text]


_GENERATE = (
    "Generate {} SDXL pipeline using the {} with {}, accelerated by {} with 2.5x speedup and "
    "Precision loss {}"
)
_BY_PARTS = (
    "Accelerated by DeepCache, and ToMe with 2.5x speedup: an SDXL pipeline, UniPC, 25 steps, "
    "precision loss .03"
)
WHOLE = Task("SDXL", "UniPC", 25, ("deepcache", "tome"), 2.5, 0.03)


@pytest.mark.parametrize(
    "text",
    [
        _GENERATE.format(
            "an", "UniPC sampler", "25 steps", "DeepCache and ToMe", "not exceeding 0.03"
        ),
        _GENERATE.format("a", "unipc", "25步", "deepcache, tome", "<= 3%").lower(),
        _GENERATE.format("a", "UniPC scheduler", "25 步", "tome & deepcache", "below 3 %"),
        _GENERATE.format("a", "UniPC", "25-step sampling", "Deep Cache + ToMe", "of at most .03"),
        _BY_PARTS,
        "precision loss not exceeding 0.03, 2.5x speedup, 25 steps, UniPC, SDXL, DeepCache, ToMe",
        "用SDXL模型、UniPC采样器、25步、DeepCache和ToMe、2.5x speedup、precision loss 3%",
        _GENERATE.replace("SDXL", "stabilityai/stable-diffusion-xl-base-1.0").format(
            "a", "UniPC", "25 steps", "the ToMe and DeepCache", "3%"
        ),
    ],
)
def test_variants_that_people_write(text):
    assert parse(text) == WHOLE


@pytest.mark.parametrize("name", ["T-Gate", "T-GATE", "tgate", "TGATE", "t-gate", "TGate"])
def test_t_gate_however_it_is_written(name):
    assert parse(f"accelerated by {name} with 2x speedup").accelerators == ("tgate",)


PARTS = (
    "SD2.1 pipeline",
    "DDIM sampler",
    "20 steps",
    "accelerated by T-Gate",
    "2.0x speedup",
    "precision loss not exceeding 0.05",
)


@pytest.mark.parametrize("between", ["; ", ", ", ". ", ",", ", and "])
def test_any_order_of_the_parts(between):
    for order in itertools.permutations(PARTS):
        assert parse(between.join(order)) == Task("SD2.1", "DDIM", 20, ("tgate",), 2.0, 0.05)


def test_a_list_of_accelerators_ends_where_something_else_begins():
    for rest in (
        ("20 steps", "SDXL pipeline", "DDIM sampler"),
        ("a SDXL pipeline", "the DDIM sampler", "20 steps"),
        ("SDXL", "DDIM", "20步"),
        ("2x speedup", "SDXL", "20 steps"),
        ("quality loss 0.05", "SDXL", "20 steps"),
        ("at a 2x speedup", "SDXL", "20 steps"),
    ):
        for names in ("ToMe, T-Gate", "ToMe and T-Gate", "T-Gate, and ToMe"):
            task = parse(f"accelerated by {names}, {', '.join(rest)}")
            assert (task.model, task.steps, task.accelerators) == ("SDXL", 20, ("tgate", "tome"))


def test_what_is_not_said_takes_its_default():
    task = parse("a 3x speedup")
    assert (task.model, task.sampler, task.steps, task.accelerators) == ("SD1.5", "DDIM", 20, ())
    assert task.max_score_loss == 0.02
    assert task.precision_loss is None


def test_the_place_for_a_speedup():
    task = parse(
        "Take an SDXL pipeline (DDIM, 50 steps) as the baseline, and achieve a {}x speedup"
    )
    assert task.speedup == OPEN
    assert task.wanted.speedup is None


def test_a_number_after_precision_loss_that_counts_something_else_is_no_loss():
    task = parse("an SD1.5 pipeline, little precision loss and 12.5x speedup with 50 steps")
    assert task.precision_loss is None
    assert (task.speedup, task.steps) == (12.5, 50)
    assert parse("SDXL, low precision loss. 50 steps").precision_loss is None


def test_chinese_steps_come_first():
    assert parse("SDXL, 20 steps, 50步").steps == 50


@pytest.mark.parametrize(
    "text", ["", "hello", "make it fast", "a diffusion pipeline", "5 apples", "\n\t", "步"]
)
def test_nothing_recognised_shows_what_was_looked_for(text):
    with pytest.raises(InputError, match=r"looked for a model .*SD1.5.* a sampler .*50 steps"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Generate a SD9 pipeline using the DDIM sampler with 50 steps", "model 'SD9'"),
        ("Generate a SD1.5 pipeline using the FooSolver sampler with 50 steps", "'FooSolver'"),
        ("Take an SD1.5 pipeline (DDIMM, 50 steps) as the baseline", "sampler 'DDIMM'"),
        ("a SD1.5 pipeline, accelerated by FooCache with 2x speedup", "accelerator 'FooCache'"),
        ("a SD1.5 pipeline, accelerated by ToMe and FooCache", "accelerator 'FooCache'"),
    ],
)
def test_names_that_do_not_exist_are_no_defaults(text, named):
    with pytest.raises(UnknownNameError, match=named):
        parse(text)


@pytest.mark.parametrize(
    "text",
    ["SDXL, 0 steps", "SDXL, 0x speedup", "SDXL, precision loss 2", "SDXL, precision loss 100%"],
)
def test_numbers_that_make_no_sense(text):
    with pytest.raises(InputError):
        parse(text)


def test_percentages_equal_their_fractions():
    for percent in range(1, 100):
        text = f"SDXL, precision loss {percent / 10}%"
        assert parse(text).precision_loss == float(f"{percent / 1000:.3f}")


@pytest.mark.parametrize("model", ["/models/mine", "./mine", "~/a/b.c", "models/v2/tome", "me/x"])
def test_a_folder_is_a_model_too(model):
    task = parse(f"Generate a {model} pipeline using the UniPC sampler with 20 steps")
    assert (task.model, task.sampler, task.accelerators) == (model, "UniPC", ())
    assert task.wanted.model == model


def test_a_hub_id_may_hold_any_word():
    task = parse("Generate a me/tome-ddim-50 pipeline using the UniPC sampler with 20 steps")
    assert (task.model, task.sampler, task.accelerators) == ("me/tome-ddim-50", "UniPC", ())


tasks = st.builds(
    Task,
    model=st.sampled_from(["SD1.5", "SD2.1", "SDXL", "PixArt-α", "PixArt-Σ", "shapes", "me/my-1"]),
    sampler=st.sampled_from(["DDIM", "DPM-Solver++", "UniPC", "UniPCMultistepScheduler", "Heun"]),
    steps=st.integers(1, 1000),
    accelerators=st.lists(
        st.sampled_from(["deepcache", "tgate", "tome", "cfg_cutoff"]), unique=True
    ).map(tuple),
    speedup=st.none()
    | st.just(OPEN)
    | st.integers(1, 99)
    | st.floats(0.01, 99).map(lambda x: round(x, 2) or 1.0),
    precision_loss=st.none() | st.integers(0, 999).map(lambda n: n / 1000),
    platform=st.sampled_from(["", "NVIDIA GPUs", "Apple silicon"]),
    form=st.sampled_from(["baseline", "generate"]),
)


@given(tasks)
def test_any_task_renders_and_parses_to_the_same(task):
    assert parse(render(task)) == task


WORDS = (
    "a an the SDXL SD1.5 pipeline DDIM sampler ( ) , ; 50 steps 步 accelerated by with for T-Gate "
    "ToMe and DeepCache 2.5x {}x speedup precision loss 0.02 2% <= me/x /a/b / GPUs using . Foo 7"
)
words = st.sampled_from(WORDS.split())


@given(st.lists(words, max_size=25).map(" ".join) | st.text(max_size=200))
def test_any_text_that_parses_renders_to_the_same_task(text):
    try:
        task = parse(text)
    except InputError:
        return
    assert parse(render(task)) == task
