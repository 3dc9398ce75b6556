from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel_opt.core.errors import CorruptFileError, InputError
from accel_opt.core.program import target_line
from accel_opt.tasks import (
    annotate,
    annotations_of,
    annotations_text,
    derive_gen,
    out_of_reach,
    read_annotations,
)

GOLDEN = Path(__file__).parents[1] / "data" / "annotations"
BASELINE = "Take an {} pipeline ({}, {} steps) as the baseline, and achieve a {}x speedup.py"


def baseline(model, sampler, steps, *speedups):
    return [BASELINE.format(model, sampler, steps, speedup) for speedup in speedups]


NAMES = [
    *baseline("SD1.5", "DDIM", 50, "8.5", "9.5", "9.0"),
    *baseline("SD1.5", "DDIM", 20, "3.0", "2.5", "10.0", "2.0"),  # four: the highest is left out
    *baseline("SDXL", "UniPC", 25, "2.0", "2.5"),  # too few
    *baseline("PixArt-α", "DPM-Solver++", 20, "1.5", "1.5", "2.0"),
    (
        "Generate a PixArt-α pipeline using the DPM-Solver++ with 20 steps, accelerated by T-Gate "
        "with 1.5x speedup and precision loss not exceeding 0.02.py"
    ),
    "readme.md",
    "helper.py",
    "[draft] notes (old).py",
    "tasks 2.5x speedup.py",
    ".py",
    "no suffix 2x speedup SDXL",
    "Generate a SDXL pipeline using the Foo9 sampler with 25 steps, 2x speedup.py",
]


def test_the_golden_files():
    found = annotations_of(NAMES, suffix=" and precision loss not exceeding 0.02")
    assert annotations_text(found.entries) == (GOLDEN / "anno_4_category.json").read_text("utf-8")
    assert annotations_text(found.mapping) == (GOLDEN / "file_id_mapping.json").read_text("utf-8")
    generation = annotations_text(derive_gen(found.entries))
    assert generation == (GOLDEN / "gen_4_category.json").read_text("utf-8")


def test_groups_are_sorted_as_strings_and_ids_count_up():
    found = annotations_of(NAMES)
    assert [entry["prompt_id"] for entry in found.entries] == [str(n) for n in range(192, 201)]
    assert [entry["difficulty"] for entry in found.entries] == ["easy", "medium", "hard"] * 3
    contexts = [entry["prompt_context"] for entry in found.entries]
    assert "PixArt-α" in contexts[0]
    assert "(DDIM, 20 steps)" in contexts[3]
    assert "(DDIM, 50 steps)" in contexts[6]
    assert [context.split()[-2] for context in contexts[3:6]] == ["2.0x", "2.5x", "3.0x"]
    assert list(found.entries[0]) == [
        "prompt_id",
        "category",
        "prompt_context",
        "difficulty",
        "path_to_gt_code",
    ]


def test_names_of_hub_ids_and_folders_are_groups_of_their_own():
    from accel_opt.codegen import program_file_name

    text = "Generate a {} pipeline using the DDIM sampler with 50 steps, {{}}x speedup"
    groups = {
        "SD2.1": baseline("SD2.1", "DDIM", 50, "2.0"),
        "me": [program_file_name(text.format("me/my-model"), x) for x in (2, 2.5, 3)],
        "folder": [program_file_name(text.format("/models/mine"), x) for x in (2, 2.5, 3)],
        "alias": [
            program_file_name(text.format("stabilityai/stable-diffusion-2-1"), x) for x in (1, 3)
        ],
        "SD1.5": baseline("SD1.5", "DDIM", 50, "2.0", "3.0", "4.0"),
    }
    found = annotations_of([name for names in groups.values() for name in names])
    assert list(found.files.values()) == [
        *groups["SD1.5"],
        groups["alias"][0],
        *groups["SD2.1"],
        groups["alias"][1],
        *groups["folder"],
        *groups["me"],
    ]
    assert found.skipped == {}


def test_ties_are_broken_by_name():
    names = baseline("SD1.5", "DDIM", 50, "2.0", "2.0", "3.0")
    other = "Generate a SD1.5 pipeline using the DDIM sampler with 50 steps, 2x speedup.py"
    found = annotations_of([*names, other])
    assert list(found.files.values()) == [other, names[0], names[2]]


def test_every_spelling_of_a_sampler_is_one_group():
    names = [
        *baseline("SDXL", "UniPC", 25, "2.0"),
        *baseline("SDXL", "UniPCMultistepScheduler", 25, "2.5"),
        *baseline("stabilityai_x", "UniPC", 25, "2.5"),
        "a sdxl pipeline using the unipc sampler with 25步, 3.0x speedup.py",
    ]
    assert len(annotations_of(names).entries) == 3


def test_models_of_no_catalogue_are_groups_of_their_own():
    assert len(annotations_of(baseline("my_Model-7", "DDIM", 50, 1, 2, 3)).entries) == 3


def test_every_file_left_out_is_reported():
    found = annotations_of(NAMES)
    assert set(found.skipped) | set(found.mapping) == set(NAMES)
    assert set(found.skipped) & set(found.mapping) == set()
    four = BASELINE.format("SD1.5", "DDIM", 20, "10.0")
    assert "SD1.5_DDIM_20 has 4 programs" in found.skipped[four]
    assert "SDXL_UniPC_25 has 2 of 3" in found.skipped[BASELINE.format("SDXL", "UniPC", 25, "2.0")]
    assert "'Foo9'" in found.skipped[NAMES[-1]]


def write_folder(folder, names):
    folder.mkdir()
    for name in names:
        (folder / name).write_text(f"# {name}\n", encoding="utf-8")


def test_annotate_writes_the_files_and_copies_the_programs(tmp_path):
    write_folder(tmp_path / "in", NAMES)
    (tmp_path / "in" / "folder 2x speedup SDXL.py").mkdir()
    found = annotate(tmp_path / "in", tmp_path / "out", first_id=500)
    assert read_annotations(tmp_path / "out" / "anno_4_category.json") == found.entries
    mapping = json.loads((tmp_path / "out" / "file_id_mapping.json").read_text("utf-8"))
    for name, prompt_id in mapping.items():
        copy = tmp_path / "out" / "gt_code" / f"{prompt_id}.py"
        assert copy.read_text("utf-8") == f"# {name}\n"
    assert len(list((tmp_path / "out" / "gt_code").iterdir())) == 9
    assert min(mapping.values()) == "500"


def test_an_existing_folder_is_not_overwritten_unasked(tmp_path):
    write_folder(tmp_path / "in", NAMES)
    annotate(tmp_path / "in", tmp_path / "out")
    kept = (tmp_path / "out" / "gt_code" / "192.py").read_text("utf-8")
    (tmp_path / "in" / NAMES[0]).write_text("changed")
    with pytest.raises(InputError, match="--overwrite"):
        annotate(tmp_path / "in", tmp_path / "out")
    assert (tmp_path / "out" / "gt_code" / "192.py").read_text("utf-8") == kept
    annotate(tmp_path / "in", tmp_path / "out", overwrite=True)
    changed = annotations_of(NAMES).mapping[NAMES[0]]
    assert (tmp_path / "out" / "gt_code" / f"{changed}.py").read_text("utf-8") == "changed"


def test_folders_without_programs(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        annotate(tmp_path / "none", tmp_path / "out")
    write_folder(tmp_path / "in", ["a.py"])
    with pytest.raises(InputError, match="no group of three"):
        annotate(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_verify_names_targets_out_of_reach(tmp_path):
    names = baseline("SD1.5", "DDIM", 50, "2.0", "2.5", "3.0")
    write_folder(tmp_path / "in", names)
    for name, target in zip(names, (2.0, 2.5, 3.0), strict=True):
        text = f'"""A program.\n\n{target_line(target, 2.3)}\n"""\n'
        (tmp_path / "in" / name).write_text(text)
    found = annotations_of(names)
    problems = out_of_reach(tmp_path / "in", found)
    assert problems == [f"{names[1]}: medium target 2.5x is above the 2.3x that was found"]
    (tmp_path / "in" / names[0]).write_text("pass")
    assert "does not say" in out_of_reach(tmp_path / "in", found)[0]


@settings(max_examples=50)
@given(st.randoms(use_true_random=False), st.integers(0, 1000))
def test_annotate_is_a_function_of_its_input(rng: random.Random, first_id):
    names = [*NAMES, *NAMES[:3]]
    rng.shuffle(names)
    assert annotations_of(names, first_id=first_id) == annotations_of(NAMES, first_id=first_id)


@given(
    st.lists(st.text(st.characters(blacklist_characters="/\0"), max_size=30).map(str), max_size=9)
)
def test_any_names_are_accounted_for(names):
    found = annotations_of(names)
    assert set(found.skipped) | set(found.mapping) == set(names)


def test_derive_gen_changes_the_path_alone():
    entry = {"prompt_id": "1", "x": [1], "path_to_gt_code": "data/gt_code/gt_code_1.py", "y": None}
    assert derive_gen([entry]) == [
        {"prompt_id": "1", "x": [1], "path_to_gen_code": "data/gen_code/gt_code_1.py", "y": None}
    ]


@pytest.mark.parametrize("content", ["", "{", "{}", "[3]", "[{}]"])
def test_what_is_no_annotation_file(content, tmp_path):
    path = tmp_path / "anno.json"
    path.write_text(content)
    with pytest.raises(CorruptFileError, match=r"anno\.json"):
        read_annotations(path)
    with pytest.raises(InputError, match="accel-opt annotate"):
        read_annotations(tmp_path / "none.json")
