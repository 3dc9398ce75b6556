from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel_opt.codegen import difficulty_targets, program_file_name, programs_for
from accel_opt.core.program import read_target_line

TEXT = "Take an SD1.5 pipeline (DDIM, 50 steps) as the baseline, and achieve a {}x speedup"


@pytest.mark.parametrize(
    ("found", "targets"),
    [
        (9.2, (8.5, 9.0, 10.0)),
        (3.04, (2.5, 3.0, 3.5)),
        (2.25, (1.5, 2.0, 2.5)),  # 2.25 / 0.5 rounds to the even 4
        (2.0, (1.5, 2.0, 2.5)),  # all three round to 2.0
        (1.8, (1.5, 2.0, 2.5)),  # medium is above what was found
        (1.5, (1.0, 1.5, 2.0)),
        (1.2, (1.0, 1.5, 2.0)),  # easy cannot go below 1.0: the others go up
        (1.0, (1.0, 1.5, 2.0)),
        (0.7, (1.0, 1.5, 2.0)),
        (12.25, (11.0, 12.0, 13.5)),
    ],
)
def test_targets(found, targets):
    assert tuple(difficulty_targets(found).values()) == targets


@given(st.floats(0.01, 100))
def test_targets_always_differ_and_stand_on_half_steps(found):
    easy, medium, hard = difficulty_targets(found).values()
    assert 1.0 <= easy < medium < hard
    assert all((x * 2).is_integer() for x in (easy, medium, hard))
    if found >= 5:
        expected = tuple(round(found * share / 0.5) * 0.5 for share in (0.9, 1.0, 1.1))
        if len(set(expected)) == 3:
            assert (easy, medium, hard) == expected


def test_a_text_with_a_place_gives_three_files(make_entry):
    programs = programs_for(TEXT, make_entry(speedup=3.2))
    expected = [f"{TEXT.format(x)}.py" for x in ("2.5", "3.0", "3.5")]
    assert [program.file_name for program in programs] == expected
    assert [p.difficulty for p in programs] == ["easy", "medium", "hard"]
    assert [read_target_line(p.source) for p in programs] == [(2.5, 3.2), (3.0, 3.2), (3.5, 3.2)]
    assert "out of reach" in programs[2].source
    assert "within reach" in programs[1].source


def test_a_text_with_a_number_gives_one_file(make_entry):
    text = TEXT.format("3.04")
    (program,) = programs_for(text, make_entry(), 3.04)
    assert program.file_name == f"{text}.py"
    assert program.difficulty is None
    assert read_target_line(program.source) == (3.04, 3.04)


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("a {}x speedup", "a 3.0x speedup.py"),
        ("{unknown} {}x", "{unknown} 3.0x.py"),
        ("../../etc/passwd", "_.._etc_passwd.py"),
        ("a\\b\nc\0", "a_b_c_.py"),
        ("", "program.py"),
        ("...", "program.py"),
        ("x" * 500, "x" * 240 + ".py"),
    ],
)
def test_file_names_are_safe(task, name):
    assert program_file_name(task, 3.0) == name


@given(st.text(max_size=300))
def test_no_name_leads_out_of_the_folder(task):
    name = program_file_name(task, 2.0)
    assert "/" not in name
    assert "\0" not in name
    assert name.endswith(".py")
    assert not name.startswith(".")
    assert len(name.encode("utf-8", "replace")) <= 255
