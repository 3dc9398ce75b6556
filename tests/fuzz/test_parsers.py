"""Whatever a file of somebody's holds: a value or one clear line, never a traceback or a hang.

Each input is given two seconds. FUZZ_EXAMPLES=1500 tries ten times as many inputs.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel_opt.core.errors import InputError
from accel_opt.core.secrets import masked, without_password
from accel_opt.core.spec import StudySpec, make_spec, read_toml
from accel_opt.results import Entry, EntryKey, read
from accel_opt.results.key import parse_key
from accel_opt.search.leases import Owner
from accel_opt.search.workers.lines import read as read_line
from accel_opt.search.workers.problem import spec_from
from accel_opt.tasks import parse, read_annotations, read_tasks
from accel_opt.tasks.compare import compare

LIMIT_S = 2
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
KEY = EntryKey("SD1.5", "DDIMScheduler", 50, None, 0.02, ("tome",))

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([10**400, "9" * 400, "1e999", "\ud800", "\x00", float("nan")]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)
# Real texts with pieces cut out, doubled, and strange ones put in.
strange = st.sampled_from(
    ["(" * 300, "[" * 5000, "'", '"', "\\", "\n", "{}", "{", "%", "步", "9" * 400, "1e999", "-0",
     "nan", "None", "__import__('os')", "\x1b[31m", "\u202e", "\x00", "α", "x" * 20_000, ","]
)  # fmt: skip


def mangled(seeds):
    """Seeds with up to three cuts and insertions."""

    @st.composite
    def build(draw):
        text = draw(st.sampled_from(seeds))
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, len(text)))
            to = draw(st.integers(at, min(len(text), at + 12)))
            text = text[:at] + draw(strange | st.text(max_size=5)) + text[to:]
        return text

    return build()


@contextmanager
def in_time():
    """A hang becomes a failure."""

    def late(signum, frame):
        raise AssertionError(f"no answer within {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def clear(function, *arguments):
    """Calls a parser: its value, or None when it refused in one clear line."""
    with in_time():
        try:
            return function(*arguments)
        except InputError as error:
            said = str(error)
    assert said.strip()
    return None


KEYS = [
    "('SD1.5', 'DDIMScheduler', '50', 'upbound_speedup', 0.02)",
    "('SD1.5', 'DDIMScheduler', '50', '3.04', 0.02)",
    "('PixArt-\u03b1', 'UniPCMultistepScheduler', '25', None, 0.02, ['deepcache', 'tome'])",
]
TASKS = [
    "Take an SD1.5 pipeline (DDIM, 50 steps) as the baseline, and achieve a 8.5x speedup",
    "Generate a SDXL pipeline using the UniPCMultistepScheduler, 25 steps, accelerated by ToMe",
    "DeepCache, T-Gate, and ToMe with 2.5x speedup and precision loss not exceeding 0.02",
    "Generate a SD2.1 pipeline with 50步, {}x speedup and precision loss not exceeding 2%",
]
TOMLS = [
    'model = "SD1.5"\nsteps = 50\naccelerators = ["deepcache", "tome"]\nworkers = 2\n',
    'storage = "postgresql://me:pw@host/db"\n[ranges.tome]\nratio = [0.1, 0.7, 0.1]\n',
    "max_score_loss = 0.02\n[max_loss]\nssim = 0.3\n",
]
ANNOTATION = {
    "prompt_id": "192", "category": 4, "prompt_context": TASKS[0], "difficulty": "easy",
    "path_to_gt_code": "gt_code/192.py",
}  # fmt: skip
VALUE = {
    "search_targets": ["tome"], "ratio": 0.5, "max_downsample": 1, "speedup": 1.5, "time": 2.0,
    "score_loss": 0.01, "provenance": {"device": "x", "confirmed": True},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def few(test):
    return settings(max_examples=EXAMPLES)(test)


@few
@given(mangled(KEYS) | st.text(max_size=200))
def test_keys(text):
    key = clear(parse_key, text)
    assert key is None or parse_key(str(key)) == key


@few
@given(st.dictionaries(st.sampled_from([*VALUE, "other", "gate_step"]), json_values) | json_values)
def test_values(value):
    entry = clear(Entry.from_json, KEY, {**VALUE, **value} if isinstance(value, dict) else value)
    if entry is not None:
        json.dumps(entry.to_json())


@few
@given(st.dictionaries(mangled(KEYS), json_values, max_size=3) | json_values, st.binary(max_size=3))
def test_params_files(folder, data, tail):
    path = Path(folder) / "search_params.json"
    path.write_bytes(json.dumps(data).encode("utf-8", "surrogatepass") + tail)
    clear(read, path)


@few
@given(mangled(TASKS) | st.text(max_size=300))
def test_task_texts(text):
    clear(parse, text)


@few
@given(
    st.sampled_from(["tasks.py", "tasks.json", "tasks.txt"]),
    mangled([f"tasks = {TASKS!r}\n", json.dumps(TASKS), "\n".join(TASKS)]) | st.text(max_size=200),
)
def test_task_lists(folder, name, text):
    path = Path(folder) / name
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    found = clear(read_tasks, path)
    assert found is None or all(isinstance(task, str) for task in found)


@few
@given(
    st.lists(
        st.dictionaries(st.sampled_from([*ANNOTATION, "more"]), json_values).map(
            lambda d: ANNOTATION | d
        )
        | json_values,
        max_size=3,
    )
    | json_values
)
def test_annotations(folder, data):
    path = Path(folder) / "anno.json"
    path.write_bytes(json.dumps(data).encode("utf-8", "surrogatepass"))
    found = clear(read_annotations, path)
    if found is not None:
        clear(compare, found, [ANNOTATION])


@few
@given(mangled(TOMLS) | st.text(max_size=200))
def test_study_toml(folder, text):
    path = Path(folder) / "study.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    options = clear(read_toml, path)
    if options is not None:
        spec = clear(lambda: make_spec(**options))
        assert spec is None or StudySpec.model_validate_json(spec.model_dump_json())


@few
@given(st.dictionaries(st.sampled_from(sorted(StudySpec.model_fields)), json_values, max_size=4))
def test_specs_that_a_study_keeps(data):
    clear(spec_from, json.dumps(data))


@few
@given(st.text(max_size=200) | json_values.map(json.dumps))
def test_what_workers_say_and_leases(text):
    with in_time():
        read_line(text)
        Owner.from_text(text)


@few
@given(
    st.text(st.characters(exclude_characters="@", categories=["L", "N", "P", "S"]), min_size=4),
    st.sampled_from(["postgresql://me:{}@host/db", "postgresql://me:{}@host:5432/db?sslmode=on"]),
)
def test_no_password_survives_masking(password, form):
    url = form.format(password)
    kept = form.format("")
    for shown in (masked(url), without_password(url)):
        assert password not in shown or password in kept + "***"
