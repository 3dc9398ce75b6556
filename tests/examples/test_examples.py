"""Every example runs as a person would run it, in a folder of its own, and says what it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
# What each says when it works; a script without a line here fails the tests.
SAYS = {
    "01_search.py": r"tried +\d+ settings; ",
    "02_apply.py": r"differs: True\nafterwards the pipeline is as before: True",
    "03_compare_settings.py": r"(?s)deepcache.+ \d\.\d\dx  CLIP .+cfg_cutoff",
    "04_custom_metric.py": r"\d\.\d  a large red ring on a blue background\n",
    "05_search_anything.py": r"best: cache\(.+\), \d\.\d\dx, confirmed: True",
    "09_judge.py": r"honest: passed\ncheat: tampering",
    "10_several_workers.py": r"\d+ settings, none twice, by 2 processes\nbest: cache",
}
# Shorter runs of what has a budget in it.
INSTEAD = {"01_search.py": [("timeout=30", "prompts=8,\n    trials=2")]}
QUICK = ("05_search_anything.py",)


def run(*command, folder, path=""):
    environment = dict(os.environ) | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def scripts():
    for path in sorted(EXAMPLES.glob("[0-9]*.py")):
        marks = [] if path.name in QUICK else [pytest.mark.slow]
        yield pytest.param(path, id=path.name, marks=marks)


@pytest.mark.parametrize("script", scripts())
def test_a_script(script, tmp_path):
    text = script.read_text(encoding="utf-8")
    for old, new in INSTEAD.get(script.name, ()):
        assert old in text
        text = text.replace(old, new)
    here = tmp_path / script.name
    here.write_text(text, encoding="utf-8")
    done = run(here, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert script.name in SAYS, f"say in this test what {script.name} prints when it works"
    assert re.search(SAYS[script.name], done.stdout), done.stdout
    assert done.stderr == ""  # nothing of other packages either


@pytest.mark.slow
def test_the_notebook(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = nbformat.read(EXAMPLES / "08_notebook.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "commit it without outputs"
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=400, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [output["data"] for output in outputs if "data" in output]
    assert "<table>" in shown[0]["text/html"]
    assert re.search(r"\d\.\d\dx|No feasible setting", shown[0]["text/html"])
    assert any("image/png" in data for data in shown)
    said = [output["text"] for output in outputs if output.get("name") == "stderr"]
    # tqdm asks for ipywidgets, which nothing here needs.
    assert [text for text in said if "TqdmWarning: IProgress not found" not in text] == []


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The example accelerator, installed as any package into a folder."""
    pytest.importorskip("hatchling", reason="builds the example without the network")
    folder = tmp_path_factory.mktemp("site")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target")
    package = EXAMPLES / "custom_accelerator"
    done = run("-m", "pip", "install", *options, folder, package, folder=ROOT)
    assert done.returncode == 0, done.stderr
    return str(folder)


def test_the_accelerator_is_found(installed, tmp_path):
    done = run("-m", "accel_opt.cli.main", "show", "accelerators", folder=tmp_path, path=installed)
    assert done.returncode == 0, done.stderr
    assert "reuse_every" in done.stdout
    assert "deepcache" in done.stdout


@pytest.mark.slow
def test_the_accelerator_keeps_the_contract(installed):
    tests = "examples/custom_accelerator/tests"
    options = ("-q", "-p", "no:cacheprovider", "--import-mode=importlib")
    done = run("-m", "pytest", *options, tests, folder=ROOT, path=installed)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.slow
def test_the_accelerator_is_searched(installed, tmp_path):
    arguments = ["--accelerators", "reuse", "--trials", "2", "--no-confirm"]
    command = ["-m", "accel_opt.cli.main", "search", *arguments]
    done = run(*command, folder=tmp_path, path=installed)
    assert done.returncode in {0, 1}, done.stderr
    assert "reuse(reuse_every=" in done.stderr


def test_every_example_is_in_the_list():
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    entries = [p for p in EXAMPLES.iterdir() if p.name not in ("README.md", "__pycache__")]
    for path in entries:
        assert f"({path.name}" in text, path.name
    numbers = [p.name.split("_")[0] for p in entries if p.name[0].isdigit()]
    assert len(set(numbers)) == len(numbers)
