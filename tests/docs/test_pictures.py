"""The script behind pictures and numbers: it finds its places, and draws what a study holds."""

from __future__ import annotations

import importlib
import shutil
import sys

import pytest

from accel_opt.search.read import read_study
from tests.docs.blocks import ROOT, blocks
from tests.report.demo import NAME, build, references


@pytest.fixture
def scripts(monkeypatch):
    """The modules beside the pages."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    names = ("pictures", "result_picture")
    yield {name: importlib.import_module(name) for name in names}
    for name in (*names, "page_pictures"):
        sys.modules.pop(name, None)


def test_every_page_has_its_place_and_keeps_the_rest(scripts, tmp_path):
    for page in scripts["pictures"].PAGES:
        copy = tmp_path / page.name
        shutil.copy(page, copy)
        before = copy.read_text(encoding="utf-8")
        scripts["pictures"].write_result(copy, "a table", 4.4)
        once = copy.read_text(encoding="utf-8")
        assert "```text\na table\n```" in once
        assert "4 minutes" in once
        assert once.count("```") == before.count("```")
        scripts["pictures"].write_result(copy, "a table", 4.4)
        assert copy.read_text(encoding="utf-8") == once


def test_pages_show_what_a_search_said():
    for page in (ROOT / "README.md", ROOT / "docs" / "tutorials" / "first-search.md"):
        shown = [block.text for block in blocks(page) if block.language == "text"]
        assert any("score loss" in text and "speedup" in text for text in shown), page


def test_the_plot_holds_every_group(scripts, tmp_path):
    from types import SimpleNamespace

    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    url, result = build(tmp_path, trials=24)
    study = read_study(NAME, url)
    module = scripts["result_picture"]
    groups = module.grouped(study)
    assert sum(map(len, groups.values())) == sum(record.measured for record in study.records)
    assert module.harshest(study).losses["clip"].value == max(
        record.losses["clip"].value for record in study.records if record.measured
    )
    figure, axes = plt.subplots()
    module.plot_trials(axes, study, SimpleNamespace(references=references()), result.best)
    labels = axes.get_legend_handles_labels()[1]
    assert "fewer steps" in labels
    assert any(label.startswith("winner, ") for label in labels)
    low, high = axes.get_ylim()
    assert low < 0
    assert high > 2
    plt.close(figure)
