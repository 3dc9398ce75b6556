from __future__ import annotations

import ast
import itertools
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel_opt.codegen import ProgramOptions, generate_code
from accel_opt.codegen.check import check_program
from accel_opt.codegen.pruning import pruned
from accel_opt.codegen.source import render
from accel_opt.core.config import Config
from accel_opt.core.errors import InputError
from accel_opt.pipelines import MODELS
from accel_opt.results import Entry, EntryKey, parse_key

NAMES = ("deepcache", "tgate", "tome")
TARGET_SETS = [c for n in (1, 2, 3) for c in itertools.combinations(NAMES, n)]
OPTIONS = {
    "dtype": "bfloat16",
    "resolution": 768,
    "cache_dir": "/somewhere",
    "negative_prompt": "ugly",
    "guidance_scale": 3,
    "batch_size": 2,
    "device": "cpu",
    "prompts": ["a cat", "a dog"],
}


def constants(source):
    return {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and not isinstance(node.value, ast.IfExp | ast.Attribute)
    }


def imported(source):
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names


@pytest.mark.parametrize("style", ["standalone", "library"])
@pytest.mark.parametrize("names", TARGET_SETS, ids="+".join)
@pytest.mark.parametrize("model", [*MODELS, "me/my-model"])
def test_every_model_and_target_set(make_entry, model, names, style):
    source = generate_code(make_entry(*names, model=model), style, **OPTIONS)
    compile(source, "program.py", "exec")
    defined = {n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)}
    assert {"load_pipe", "inference", "main"} <= defined
    own = {"deepcache": "DeepCache", "tgate": "tgate", "tome": "tomesd"}
    packages = {own[names[0]]} if len(names) == 1 and style == "standalone" else set()
    if names == ("tgate",) and model == "me/my-model":
        packages = set()  # which loader fits is not known
    if names == ("tome",) and model in MODELS and "PixArt" in MODELS[model].pipeline_class:
        packages = set()  # the package cannot run there
    embedded = MODELS[model].kind == "embedded" if model in MODELS else False
    door = {"accel_opt"} if style == "library" or embedded else {"diffusers"}
    assert imported(source) == {"torch", *packages, *door}


def test_values_stand_in_constants(make_entry):
    values = constants(generate_code(make_entry(), **OPTIONS))
    assert values == {
        "MODEL": "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "CACHE_DIR": "/somewhere",
        "STEPS": 50,
        "GUIDANCE_SCALE": 3,
        "NEGATIVE_PROMPT": "ugly",
        "RESOLUTION": 768,
        "BATCH_SIZE": 2,
        "SEED": 42,
        "PROMPTS": ["a cat", "a dog"],
        "DEVICE": "cpu",
    }


def test_what_the_entry_was_measured_with_is_what_the_program_runs_with(make_entry):
    provenance = {"dtype": "float32", "resolution": 64, "batch_size": 8, "guidance_scale": 4.0}
    source = generate_code(make_entry(provenance=provenance))
    values = constants(source)
    assert (values["RESOLUTION"], values["BATCH_SIZE"], values["GUIDANCE_SCALE"]) == (64, 8, 4.0)
    assert "DTYPE = torch.float32\n" in source
    assert (
        constants(generate_code(make_entry(provenance=provenance), batch_size=1))["BATCH_SIZE"] == 1
    )


def test_the_embedded_model_comes_through_the_door(make_entry):
    source = generate_code(make_entry(model="shapes"), dtype="float32")
    assert "from accel_opt import load_pipeline\n" in source
    assert constants(source)["DTYPE"] == "float32"


def test_without_guidance_tgate_carries_its_hooks(make_entry):
    source = generate_code(make_entry("tgate"), guidance_scale=1.0)
    assert "tgate" not in imported(source)
    assert "class TGateHooks" in source


def test_a_scheduler_that_repeats_timesteps_takes_the_hooks(make_entry):
    source = generate_code(make_entry(scheduler="HeunDiscreteScheduler"))
    assert "class DeepCacheHooks" in source


def test_the_docstring_says_what_was_found(make_entry):
    source = generate_code(make_entry(), target=3.5, task="make it fast")
    text = ast.get_docstring(ast.parse(source))
    assert "Target: 3.5x; found: 3.04x (out of reach of this setting)" in text
    assert "Task: make it fast" in text
    assert "Score loss: 1.23 %; allowed: 2 %" in text


def test_a_setting_without_effect_is_said(make_entry):
    entry = make_entry("tome", model="SDXL")
    gentle = Entry(entry.key, Config({"tome": {"ratio": 0.5, "max_downsample": 1}}), 1.0)
    assert "Warning: tome: max_downsample=1 merges nothing" in generate_code(gentle)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"style": "fancy"}, "style='fancy'"),
        ({"dtype": "int8"}, "dtype='int8'"),
        ({"resolution": "512"}, "resolution='512'"),
        ({"resolution": 0}, "resolution=0"),
        ({"guidance_scale": float("nan")}, "guidance_scale=nan"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"negative_prompt": 3}, "negative_prompt=3"),
        ({"prompts": [3]}, "prompts"),
        ({"colour": "red"}, "unknown option 'colour'"),
    ],
)
def test_options_that_make_no_sense(make_entry, change, named):
    with pytest.raises(InputError, match=named):
        generate_code(make_entry(), **change)


def test_a_parameter_that_was_never_stored_is_named(make_entry):
    entry = make_entry("tome")
    poor = Entry(entry.key, Config({"tome": {"ratio": 0.5}}), 1.2)
    with pytest.raises(InputError, match="no 'max_downsample'"):
        generate_code(poor)


def test_an_accelerator_that_does_not_exist(make_entry):
    entry = Entry(make_entry().key, Config({"blur": {"radius": 1}}), 1.2)
    with pytest.raises(InputError, match="unknown accelerator 'blur'"):
        generate_code(entry)


HOSTILE = [
    '"""',
    "'''",
    '"; import os; os.system("id"); "',
    "\\",
    '\\"""\nimport os\n',
    "{{ 7 * 7 }}",
    "{% raw %}",
    "__import__('os').system('id')",
    "\u202e reversed",
    "\x00\x1b[31m",
    "\r\nimport os",
    "a" * 10_000,
    "${HOME} `id` %s {0}",
    "\ud800",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("names", [("deepcache",), ("deepcache", "tome")], ids="+".join)
def test_hostile_texts_become_literals(make_entry, names, text):
    plain = generate_code(
        make_entry(*names, model="me/x"),
        task="t",
        negative_prompt="n",
        cache_dir="c",
        prompts=["p"],
    )
    entry = make_entry(*names, model=text, provenance={"device": text, "pipeline": text})
    source = generate_code(entry, task=text, negative_prompt=text, cache_dir=text, prompts=[text])
    values = constants(source)
    assert values["MODEL"] == values["NEGATIVE_PROMPT"] == values["CACHE_DIR"] == text
    assert values["PROMPTS"] == [text]
    assert shape(source) == shape(plain)
    source.encode()  # a file can hold it


def shape(source):
    """The program without its constants."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            node.value = None
    return ast.dump(tree)


TEXTS = {
    "model": st.text(min_size=1, max_size=200),
    "task": st.text(max_size=50),
    "scale": st.floats(allow_nan=False),
    "negative": st.text(),
}


def check_literals(make_entry, model, task, scale, negative):
    entry = make_entry(model=model)
    try:
        source = generate_code(entry, task=task, guidance_scale=scale, negative_prompt=negative)
    except InputError:
        assert abs(scale) == float("inf")
        return
    values = constants(source)
    assert values["GUIDANCE_SCALE"] == scale
    assert values["NEGATIVE_PROMPT"] == negative


@settings(max_examples=100)
@given(**TEXTS)
def test_any_texts_become_literals(make_entry, **texts):
    check_literals(make_entry, **texts)


@pytest.mark.slow
@settings(max_examples=1500)
@given(**TEXTS)
def test_very_many_texts_become_literals(make_entry, **texts):
    check_literals(make_entry, **texts)


@pytest.mark.parametrize("scheduler", ["os.system", "DDIM", "x\ny", "Scheduler; import os", ""])
def test_schedulers_are_names_of_classes(make_entry, scheduler):
    with pytest.raises(InputError, match="name of a class"):
        generate_code(make_entry(scheduler=scheduler))


@pytest.mark.parametrize(
    "provenance",
    [
        {"dtype": "torch.float32; import os"},
        {"dtype": ["float32"]},
        {"resolution": "__import__('os')"},
        {"guidance_scale": "7.5"},
        {"batch_size": True},
        {"negative_prompt": {"a": 1}},
    ],
)
def test_hostile_provenance_is_an_error(make_entry, provenance):
    with pytest.raises(InputError):
        generate_code(make_entry(provenance=provenance))


def test_a_hostile_file_yields_errors_or_literals(tmp_path):
    evil = "x', __import__('os').system('touch ran'), '"
    key = str((evil, "DDIMScheduler", "50", None, 0.02, ["tome"]))
    value = {"search_targets": ["tome"], "ratio": 0.5, "max_downsample": 1, "speedup": 1.5}
    (tmp_path / "p.json").write_text(json.dumps({key: value}))
    entry = Entry.from_json(parse_key(key), value)
    assert constants(generate_code(entry))["MODEL"] == evil
    with pytest.raises(InputError):
        Entry.from_json(parse_key(key), value | {"ratio": "__import__('os')"})


def test_plain_values_never_reach_a_template():
    with pytest.raises(TypeError, match="not marked as source"):
        render("program.py.jinja", docstring="text")


@pytest.mark.parametrize(
    "line",
    [
        "import os, socket",
        "print(1)",
        "MODEL = __import__('os')",
        "MODEL = 'other'",
        "MODEL: str = 'other'",
        "MODEL: str",
        "SEED: print() = 42",
        "EXTRA = 1",
        "from accel_opt import results",
        "x = (",
        "import numpy",
    ],
)
def test_the_check_finds_what_was_not_meant(make_entry, line):
    source = generate_code(make_entry())
    meant = constants(source)
    packages = ("torch", "diffusers", "DeepCache")
    check_program(source, meant, packages)
    broken = source.replace("\nSTEPS = ", f"\n{line}\nSTEPS = ", 1)
    if line.startswith("import os"):
        broken = source.replace("\nSTEPS = ", "\nimport numpy\nSTEPS = ", 1)
    with pytest.raises(InputError):
        check_program(broken, meant, packages)


def test_generating_loads_no_torch(tmp_path):
    code = (
        "import sys\nfrom accel_opt import codegen, results, tasks\n"
        "from accel_opt.core.config import Config\n"
        "key = results.EntryKey('SD1.5', 'DDIMScheduler', 50)\n"
        "config = Config({'tome': {'ratio': 0.5, 'max_downsample': 1}})\n"
        "codegen.generate_code(results.Entry(key, config, 1.5))\n"
        "tasks.parse(tasks.catalogue('IV')[0])\n"
        "heavy = {'torch', 'diffusers', 'optuna', 'transformers'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_options_can_be_given_whole(make_entry):
    options = ProgramOptions(seed=7, model="/a/folder")
    values = constants(generate_code(make_entry(), options=options))
    assert (values["SEED"], values["MODEL"]) == (7, "/a/folder")


def test_the_prompt_is_one_that_the_model_knows(make_entry):
    from accel_opt import shapes

    (prompt,) = constants(generate_code(make_entry(model="shapes")))["PROMPTS"]
    assert set(prompt.split()) <= set(" ".join(shapes.captions()).split())
    assert constants(generate_code(make_entry()))["PROMPTS"] != [prompt]


@pytest.mark.parametrize("model", ["SD1.5", "PixArt-Σ"])
def test_carried_source_holds_nothing_that_is_not_used(make_entry, model):
    merged = generate_code(make_entry("deepcache", "tome", model=model))
    assert "def put" in merged
    assert "def one_half" not in merged  # T-GATE's alone
    assert "def one_half" in generate_code(make_entry("deepcache", "tgate", model=model))
    for source in (merged, generate_code(make_entry("tgate", "tome", model=model))):
        tree = ast.parse(source)
        named = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        named |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        for part in ast.walk(tree):
            if isinstance(part, ast.FunctionDef | ast.ClassDef) and part.name[:2] != "__":
                assert part.name in named | {"load_pipe", "inference", "main"}


def test_what_is_pruned():
    source = """
class Base:
    def kept(self): pass

    # Of the next one.
    @staticmethod
    def dropped():
        helper()

    def by_text(self): pass


class Child(Base):
    def hook_of_the_base(self): pass


def helper(): pass


def unused():
    return unused_too()


def unused_too(): pass
""".strip("\n")
    left = pruned(source, ["Child().kept()", "getattr(x, 'by_text')"])
    assert (
        left
        == """
class Base:
    def kept(self): pass

    def by_text(self): pass


class Child(Base):
    def hook_of_the_base(self): pass
""".strip("\n")
    )


def test_lines_of_a_plugin_that_are_no_python(make_entry, monkeypatch):
    from accel_opt.accelerators import stack
    from accel_opt.accelerators.base import CodeLines

    monkeypatch.setattr(stack, "code", lambda *_: CodeLines(setup=("x = (",)))
    with pytest.raises(InputError, match="deepcache gave for the program"):
        generate_code(make_entry())


def test_keys_of_any_age(make_entry):
    key = EntryKey("SD1.5", "DDIMScheduler", 50, 3.0)
    assert "found: 3.04x" in generate_code(Entry(key, make_entry().config, 3.04))
