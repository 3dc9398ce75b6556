from __future__ import annotations

import runpy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel_opt.core.errors import InputError
from accel_opt.tasks import baselines, read_tasks, tasks_text, write_tasks


@pytest.mark.parametrize("suffix", [".py", ".json", ".txt"])
def test_every_form_is_read_back(suffix, tmp_path):
    path = tmp_path / f"tasks{suffix}"
    write_tasks(path, baselines())
    assert read_tasks(path) == baselines()


def test_the_python_form_is_importable_and_formatted(tmp_path):
    path = tmp_path / "tasks.py"
    texts = ['say "two"', "it's", "both ' and \"", "back\\slash", "α", "new\nline"]
    write_tasks(path, texts)
    assert runpy.run_path(str(path))["tasks"] == texts
    assert path.read_text().splitlines()[:3] == ["tasks = [", "    'say \"two\"',", '    "it\'s",']


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5), st.sampled_from([".py", ".json"]))
def test_any_texts_survive(tmp_path, texts, suffix):
    path = tmp_path / f"tasks{suffix}"
    write_tasks(path, texts)
    assert read_tasks(path) == texts


def test_python_is_never_executed(tmp_path):
    path = tmp_path / "tasks.py"
    path.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ntasks: list[str] = ('a', 'b')\n")
    assert read_tasks(path) == ["a", "b"]
    assert not (tmp_path / "ran").exists()
    path.write_text("tasks = [str(1)]")
    with pytest.raises(InputError, match="plain list"):
        read_tasks(path)


def test_annotation_files_are_task_lists_too(tmp_path):
    path = tmp_path / "anno.json"
    path.write_text('[{"prompt_id": "192", "prompt_context": "a"}, "b"]')
    assert read_tasks(path) == ["a", "b"]


def test_comments_and_empty_lines_of_text_are_skipped(tmp_path):
    path = tmp_path / "tasks.txt"
    path.write_text("# mine\n\n  one \ntwo\n")
    assert read_tasks(path) == ["one", "two"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.py", "x = ["),
        ("t.py", "x = 1"),
        ("t.py", "tasks = [1]"),
        ("t.json", "{"),
        ("t.json", "3"),
        ("t.json", "[{}]"),
        ("t.txt", ""),
        ("t.csv", "a"),
        ("t.txt", "\udcff"),
    ],
)
def test_what_is_no_task_list(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"t\."):
        read_tasks(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="accel-opt tasks baselines"):
        read_tasks(tmp_path / "tasks.py")


@pytest.mark.parametrize("text", ["a\nb", "", "# a", " a"])
def test_a_text_that_does_not_fit_on_a_line(text):
    with pytest.raises(InputError, match="json"):
        tasks_text([text], ".txt")
