"""The pages cover what the program has, and README stays short."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys

import pytest
import yaml

import accel_opt
from accel_opt.accelerators import registry
from accel_opt.cli.main import build
from accel_opt.core.spec import StudySpec
from accel_opt.metrics import metric_names
from accel_opt.pipelines import MODELS
from tests.docs.blocks import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def generated():
    spec = importlib.util.spec_from_file_location("generated", DOCS / "generated.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: make() for name, make in module.PARTS.items()}


def test_every_generated_part_is_on_a_page(generated):
    said = "".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
    assert set(re.findall(r"<!-- generated: ([\w-]+) -->", said)) == set(generated)


def test_every_command_and_option_is_described(generated):
    text = generated["commands"]
    for name, command in build().commands.items():
        assert f"\n## {name}\n" in f"\n{text}"
        for parameter in getattr(command, "params", ()):
            if not getattr(parameter, "hidden", False) and parameter.opts[0].startswith("--"):
                assert f"`{parameter.opts[0]}`" in text
                assert parameter.help, f"{name} {parameter.opts[0]} has no help"


def test_every_accelerator_has_its_source_and_parameters(generated):
    text = generated["accelerators"]
    for name in registry.names():
        plugin = registry.get(name)
        assert f"## {name}\n" in text
        assert plugin.reference, f"{name} names no source"
        assert plugin.reference in text
        assert plugin.__doc__, f"{name} says nothing of itself"
        for parameter in plugin.params:
            assert f"| `{parameter}` |" in text


def test_every_name_and_key_is_listed(generated):
    for name in MODELS:
        assert f"`{name}`" in generated["models"]
    for name in metric_names():
        assert f"`{name}`" in generated["metrics"]
    for key in StudySpec.model_fields:
        assert f"| `{key}` |" in generated["study-keys"]


def test_every_public_name_is_in_the_reference():
    text = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    for name in set(accel_opt.__all__) - {"__version__"}:
        described = re.search(rf"::: accel_opt[\w.]*\.{name}\b", text)
        within = name == "InputError" and "::: accel_opt.core.errors" in text
        assert described or f"`accel_opt.{name}`" in text or within, name


def test_every_page_is_in_the_navigation():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    listed = set(re.findall(r"[\w/-]+\.md", str(nav)))
    # docs/hooks.py adds the guides that are not placed.
    guides = {f"how-to/{path.name}" for path in (DOCS / "how-to").glob("*.md")}
    assert listed | guides == {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}


def test_readme_is_short_and_its_links_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 165
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert target.startswith("https://") or (ROOT / target).exists(), target
    assert text.count("![") == 1


def test_readme_says_what_runs_on_what():
    from accel_opt.testing import FLOW_KINDS, FLOW_SCHEDULER, KINDS, tiny_pipeline

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    said = {row[0].strip("`"): row[2:] for row in rows}
    pipes = {kind: tiny_pipeline(kind) for kind in KINDS}
    pipes |= {kind: tiny_pipeline(kind, FLOW_SCHEDULER) for kind in FLOW_KINDS}
    columns = (("sd", "sdxl"), ("pixart-alpha", "pixart-sigma"), ("flux",), ("sd3",))
    built_in = [name for name in registry.names() if _is_ours(registry.get(name))]
    assert set(said) == set(built_in)
    for name in built_in:
        for kinds, word in zip(columns, said[name], strict=True):
            for kind in kinds:
                runs = registry.get(name).supports(pipes[kind]) is None
                assert word == ("yes" if runs else "no"), f"{name} on {kind}"


def _is_ours(plugin):
    return type(plugin).__module__.startswith("accel_opt.")


@pytest.mark.slow
def test_the_pages_build_strictly(tmp_path):
    pytest.importorskip("mkdocs", reason="pip install -e '.[docs]'")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site" / "reference" / "commands" / "index.html").read_text()
    assert "--max-score-loss" in page
    page = (tmp_path / "site" / "reference" / "api" / "index.html").read_text()
    assert "greatest" in page.lower()
    assert "<code>AcceleratorContract</code>" in page or "AcceleratorContract" in page
    shutil.rmtree(tmp_path / "site")
