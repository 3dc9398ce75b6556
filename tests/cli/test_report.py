"""`accel-opt report` and `accel-opt dashboard` as a person types them."""

from __future__ import annotations

import json

import pytest

from accel_opt.cli.main import main
from accel_opt.search import search
from tests.report.test_judged import RESULTS
from tests.search.tables import evaluate, plan, space


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('study') / 'study.db'}"
    search(space("deepcache"), evaluate, plan(trials=6), storage=url, study_name="demo")
    return url


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code


@pytest.mark.parametrize("name", ["page.html", "page.md", "page.json", "page.png"])
def test_a_study_in_every_format(storage, tmp_path, name, capsys):
    out = tmp_path / name
    assert run("report", "--study", "demo", "--storage", storage, "--out", str(out)) == 0
    assert out.stat().st_size > 500
    said = capsys.readouterr()
    assert said.out == ""
    assert f"wrote {out}" in said.err


def test_results_give_report_json_and_the_page(tmp_path, capsys):
    results = tmp_path / "evaluation_results.json"
    results.write_text(json.dumps(RESULTS))
    assert run("report", "--results", str(results), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["summary"]["total_passed"] == 3
    written = json.loads((tmp_path / "report.json").read_text())
    asked = {"summary", "by_difficulty", "failure_analysis", "task_details"}
    assert set(written) == asked | {"sandbox"}
    assert "3 of 14 programs pass" in (tmp_path / "report.html").read_text()
    only = tmp_path / "only.json"
    assert run("report", "--results", str(results), "--out", str(only)) == 0
    assert json.loads(only.read_text()) == written


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--study NAME, or --results"),
        (("--study", "demo", "--results", "x.json"), "--study NAME, or --results"),
        (("--study", "dmeo"), "demo"),
        (("--study", "demo", "--format", "pdf"), "html, json, md, png"),
        (("--study", "demo", "--out", "report.pdf"), "--format"),
        (("--results", "none.json"), "accel-opt judge"),
    ],
)
def test_bad_input_is_one_line(storage, arguments, said, capsys):
    more = ("--storage", storage) if "--study" in arguments else ()
    assert run("report", *arguments, *more) == 2
    err = capsys.readouterr().err.strip()
    assert said in err
    assert "\n" not in err


def test_the_dashboard_says_where_and_warns(storage, capsys, monkeypatch):
    from accel_opt.search import dashboard

    def ended(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(dashboard._Server, "serve_forever", ended)
    arguments = ("dashboard", "--storage", storage, "--study", "demo", "--port", "0")
    assert run(*arguments, "--json") == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["url"].endswith("/dashboard/studies/1")
    assert "warning" not in said.err
    assert run(*arguments, "--host", "0.0.0.0") == 0  # noqa: S104 - what is tested
    assert "no password" in capsys.readouterr().err
    assert run("dashboard", "--storage", storage, "--study", "none", "--port", "0") == 2
