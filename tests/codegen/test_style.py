"""Generated programs pass the checkers that people run."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel_opt.codegen import generate_code
from accel_opt.codegen.source import constant, docstring
from accel_opt.core.literal import literal, text_literal
from accel_opt.pipelines import MODELS

NAMES = ("deepcache", "tgate", "tome")
EVERY = {
    "dtype": "float16",
    "resolution": 512,
    "cache_dir": "/a/folder",
    "negative_prompt": 'ugly, "bad", it\'s blurry \\ \n\t\x00',
    "prompts": ["a cat", 'a "dog"', "it's", "x" * 120],
    "guidance_scale": 3,
    "device": "cuda:1",
}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    from accel_opt.core.config import Config
    from accel_opt.results import Entry, EntryKey

    settings = {
        "deepcache": {"cache_interval": 3, "cache_branch_id": 0},
        "tome": {"ratio": 0.5, "max_downsample": 2},
        "tgate": {"gate_step": 5, "sp_interval": 2, "fi_interval": 2, "warmup": 1},
    }
    folder = tmp_path_factory.mktemp("programs")
    target_sets = [c for n in (1, 2, 3) for c in itertools.combinations(NAMES, n)]
    cases = itertools.product(
        [*MODELS, "me/x"], target_sets, ("standalone", "library"), ({}, EVERY)
    )
    for number, (model, names, style, options) in itertools.islice(enumerate(cases), 0, None, 5):
        key = EntryKey(model, "UniPCMultistepScheduler", 50, None, 0.02, names)
        entry = Entry(key, Config({name: settings[name] for name in names}), 3.04, 0.01, 0.5)
        source = generate_code(entry, style, task="t " * 90, **options)
        (folder / f"program_{number}.py").write_text(source, encoding="utf-8")
    return folder


def run(folder, *command):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing(programs):
    run(programs, "ruff", "check", "--isolated", "--no-cache", ".")


def test_ruff_would_format_nothing(programs):
    # The hooks carry this project's line length.
    run(programs, "ruff", "format", "--isolated", "--no-cache", "--line-length=100", "--diff", ".")


def test_without_hooks_the_formatters_own_width_fits_too(programs):
    plain = [p.name for p in programs.glob("*.py") if "class LiveRun" not in p.read_text("utf-8")]
    assert plain
    run(programs, "ruff", "format", "--isolated", "--no-cache", "--diff", *plain)


@pytest.mark.slow
def test_mypy_finds_nothing(programs):
    run(programs, "mypy", "--cache-dir=.mypy", *(path.name for path in programs.glob("*.py")))


def test_the_settings_of_library_programs_have_a_type_that_apply_takes(programs):
    found = [p for p in programs.glob("*.py") if "apply(pipe, CONFIG)" in p.read_text("utf-8")]
    assert found
    for path in found:
        assert "\nCONFIG: dict[str, dict[str, float]] = {" in path.read_text("utf-8")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain, st.sampled_from([0, 4]))
def test_any_literal_reads_back_equal(value, indent):
    import ast
    import math

    from accel_opt.core.errors import InputError

    try:
        text = literal(value, indent)
    except InputError:
        assert "inf" in repr(value)
        return
    assert ast.literal_eval(text) == value
    assert not (isinstance(value, float) and math.isinf(value))


def test_long_texts_are_laid_out_as_formatters_do(tmp_path):
    lines = [constant(f"A{n}", "x" * n) for n in range(80, 110)]
    (tmp_path / "a.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    run(tmp_path, "ruff", "format", "--isolated", "--line-length=100", "--diff", ".")


def test_numbers_of_numpy_are_taken_as_what_they_hold():
    import numpy as np

    assert literal([np.float64(0.5), np.int64(3), np.bool_(True)]) == "[0.5, 3, True]"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, b"x", 1j, len])
def test_what_is_no_plain_value(value):
    from accel_opt.core.errors import InputError

    with pytest.raises(InputError):
        literal([value])


def test_literals_are_formatted(tmp_path):
    texts = ["", "'", '"', "''\"", '\'""', "\\", "\n", "\x07", "ü", "\u202e", "a'b\"c\\d", "{{ }}"]
    lines = [f"A{n} = {text_literal(text)}" for n, text in enumerate(texts)]
    values = [list(range(60)), {"a": "x" * 90, "b": {"c": ["y" * 60, "z" * 60]}}, [], {}, (1,)]
    lines += [f"B{n} = {literal(value, 0, 5)}" for n, value in enumerate(values)]
    (tmp_path / "a.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for width in ("88", "100"):
        run(tmp_path, "ruff", "format", "--isolated", f"--line-length={width}", "--diff", ".")


@given(st.lists(st.text(max_size=300), min_size=1, max_size=4))
def test_any_docstring_is_one_string(paragraphs):
    import ast

    text = docstring(["Summary.", *paragraphs])
    tree = ast.parse(f'"""{text}"""\n')
    assert len(tree.body) == 1
    assert ast.get_docstring(tree) == text.strip()
