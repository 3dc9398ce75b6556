"""Every code block of README, docs and examples: run where it can be, parsed where it cannot."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import tomllib

import pytest

import accel_opt
from accel_opt.cli.main import _run, build
from accel_opt.cli.search import _NOT_OPTIONS, spec_from_options
from accel_opt.core.spec import make_spec
from tests.docs.blocks import ROOT, Block, blocks, pages

PAGES = {str(path.relative_to(ROOT)): path for path in pages()}
ALL = [block for path in PAGES.values() for block in blocks(path)]
# Run by .ci/run itself, from a fresh environment, or by tests of their own.
ELSEWHERE = ("python -m pip install", "python -m pytest", "python examples/", "python docs/")


def ids(found):
    return [block.name for block in found]


def runs(block: Block) -> bool:
    return block.language in ("bash", "python") and not block.skipped


def parse(words: list[str]) -> None:
    """Holds a command line of ours against the options there are, down to the study's spec."""
    command, context, rest = build(), None, words[1:]
    while True:
        name = command.name or "accel-opt"
        context = command.make_context(name, list(rest), parent=context)
        if not hasattr(command, "resolve_command"):
            break
        left = [*context._protected_args, *context.args]
        _, command, rest = command.resolve_command(context, left)
    if command.name == "search":
        given = {k: v for k, v in context.params.items() if k not in _NOT_OPTIONS and v is not None}
        spec_from_options({k: list(v) if isinstance(v, tuple) else v for k, v in given.items()})


def check_elsewhere(line: str, words: list[str]) -> None:
    """What other tests run: the files and extras that it names exist."""
    assert line.startswith(ELSEWHERE), f"{line!r}: say how the tests run this"
    for word in words[2:]:
        path, extra = re.fullmatch(r"(.*?)(?:\[(\w+)\])?", word).groups()
        if "/" in path or path.endswith((".py", ".txt", ".md")):
            assert (ROOT / path).exists(), f"{line!r}: there is no {path}"
        if extra:
            project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
            assert extra in project["optional-dependencies"]


def check_python(block: Block) -> None:
    for node in ast.walk(ast.parse(block.tested)):
        ours = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if ours and node.value.id == "accel_opt":
            assert hasattr(accel_opt, node.attr), f"there is no accel_opt.{node.attr}"


def check_toml(block: Block) -> None:
    options = tomllib.loads(block.text)
    if "project" not in options:
        make_spec(**options)


def check_bash(block: Block) -> None:
    for words in block.commands():
        while "=" in words[0]:
            words = words[1:]  # noqa: PLW2901 - VARIABLE=value before the command
        if words[0] == "accel-opt":
            parse(words)
        elif not block.skipped:
            check_elsewhere(" ".join(words), words)


CHECKS = {
    "bash": check_bash,
    "json": lambda block: json.loads(block.text),
    "python": check_python,
    "toml": check_toml,
}


@pytest.mark.parametrize("block", ALL, ids=ids(ALL))
def test_it_can_be_read(block):
    CHECKS.get(block.language, lambda block: None)(block)


def type_in(block: Block, monkeypatch) -> None:
    """Runs the commands of a block as a person would type them."""
    for words in block.commands():
        with monkeypatch.context() as patch:
            while "=" in words[0]:
                patch.setenv(*words[0].split("=", 1))
                words = words[1:]  # noqa: PLW2901
            if words[0] == "accel-opt":
                status = _run(words[1:], debug=True)
                assert status in block.statuses, f"{block.name}: {words} ended with {status}"


RUNNING = [name for name in PAGES if any(runs(b) for b in ALL if b.page == name)]


def slow(page: str) -> bool:
    """Whether a page loads a pipeline or searches; others read files and tables only."""
    text = "".join(block.tested for block in ALL if block.page == page and runs(block))
    return bool(re.search(r"accel-opt (search|doctor|generate)|load_pipeline|\.search\(", text))


@pytest.mark.parametrize(
    "page", [pytest.param(p, marks=[pytest.mark.slow] if slow(p) else []) for p in RUNNING]
)
def test_it_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "HF_HUB_OFFLINE", "1")
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(PAGES[page]):
        if not runs(block):
            continue
        for value in block.values("given"):
            name, _, source = value.partition(" from ")
            shutil.copy(ROOT / source, tmp_path / name)
        if block.language == "bash":
            type_in(block, monkeypatch)
        else:
            code = "\n" * (block.line - 1) + block.tested
            exec(compile(code, str(ROOT / block.page), "exec"), names)  # noqa: S102 - our own pages


def test_what_is_not_run_says_why():
    for block in ALL:
        if block.skipped:
            assert len(block.skipped) > 8, f"{block.name}: {block.skipped!r} is no reason"


def test_no_block_hides_from_these_tests():
    """Code stands in fences: an indented block would be seen by readers and by no test."""
    for name, path in PAGES.items():
        fenced = False
        before = ""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.lstrip().startswith("```"):
                assert line.startswith("```"), f"{name}:{number}: an indented fence"
                fenced = not fenced
            elif not fenced and line.startswith("    ") and not before.strip():
                raise AssertionError(f"{name}:{number}: an indented block; put it in a fence")
            before = line
