"""optuna-dashboard as `accel-opt dashboard` serves it, in a real browser."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from wsgiref.simple_server import make_server

import pytest

from accel_opt.search.dashboard import Storages, _Quiet, server, study_path
from tests.report.demo import NAME, build
from tests.search.tables import LIMITS

pytestmark = pytest.mark.browser


@contextmanager
def running(served):
    """A server at work: its address."""
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{served.server_port}"
    finally:
        served.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def address(study):
    storages = Storages(study[0])
    with server(storages, "127.0.0.1", 0) as served, running(served) as base:
        yield base, study_path(storages, NAME)


def test_the_best_shown_is_the_feasible_best(watched, address, study):
    base, path = address
    best = study[1].best
    fastest = max(study[1].trials, key=lambda record: record.gain.value)
    assert fastest.number != best.trial  # the stock dashboard would show this one
    watched.page.goto(base + path)
    watched.page.get_by_text(f"Best Trial (number={best.trial})").wait_for()
    outside = [url for url in watched.requests if not url.startswith((base, "data:", "blob:"))]
    assert outside == []
    assert watched.complaints == []


def test_infeasible_trials_are_marked(watched, address, study):
    base, path = address
    page = watched.page
    page.goto(base + path)
    page.locator(".legendtext", has_text="Infeasible").first.wait_for()
    bad = next(record for record in study[1].trials if not record.feasible(LIMITS))
    page.goto(f"{base}{path}/trials?numbers={bad.number}")
    page.get_by_text(re.compile(r"feasible\s*False")).first.wait_for()
    page.get_by_text(re.compile(f"outcome\\s*{bad.outcome}: ")).first.wait_for()
    page.get_by_text(str(bad.config)).first.wait_for()


def test_an_image_loads_beside_the_baselines(watched, address, study):
    base, path = address
    page = watched.page
    page.goto(f"{base}{path}/trials?numbers={study[1].best.trial}")
    images = page.locator("img[src*='/artifacts/']")
    images.first.wait_for()
    page.wait_for_function(
        "() => [...document.querySelectorAll(\"img[src*='/artifacts/']\")]"
        ".every(image => image.complete && image.naturalWidth > 0)"
    )
    assert images.count() == 6
    names = re.findall(r"\w+-(?:baseline|setting)\.png", page.content())
    assert list(dict.fromkeys(names))[:2] == ["0-baseline.png", "0-setting.png"]
    assert page.get_by_text("feasible").count() > 0


def test_the_note_shows(watched, address, study):
    base, path = address
    watched.page.goto(f"{base}{path}/note")
    heading = watched.page.get_by_text(f"Best: {study[1].best.speedup.value:.2f}x")
    heading.wait_for()
    assert watched.page.get_by_text("Go on with the search").count() == 1


@pytest.fixture(params=["sqlite", "journal", "postgresql"])
def url(request, tmp_path):
    """A storage of every kind."""
    if request.param == "postgresql":
        return request.getfixturevalue("cluster").url(tmp_path.name.replace("-", "_").lower())
    kind = {"sqlite": "sqlite:///", "journal": "journal:///"}[request.param]
    return f"{kind}{tmp_path / 'study.db'}"


def test_it_follows_a_search_that_runs(watched, url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = watched.page
    _, before = build(tmp_path, trials=5, storage=url)
    storages = Storages(url)
    with server(storages, "127.0.0.1", 0) as served, running(served) as base:
        page.goto(f"{base}{study_path(storages, NAME)}/trials")
        page.get_by_text("5 Trials").wait_for()
        after = build(tmp_path, 12, url)[1]  # the same study goes on meanwhile
        page.reload()
        page.get_by_text("12 Trials").wait_for()
        page.goto(base + study_path(storages, NAME))
        page.get_by_text(f"Best Trial (number={after.best.trial})").wait_for()
        page.goto(f"{base}{study_path(storages, NAME)}/trials?numbers={after.best.trial}")
        image = page.locator("img[src*='/artifacts/']").first
        image.wait_for()
        page.wait_for_function("i => i.complete && i.naturalWidth > 0", arg=image.element_handle())
    assert len(before.trials) == 5
    assert watched.complaints == []


def test_the_stock_dashboard_shows_the_note(watched, study):
    from optuna_dashboard import wsgi

    app = wsgi(study[0])
    with make_server("127.0.0.1", 0, app, handler_class=_Quiet) as served, running(served) as base:
        watched.page.goto(f"{base}/dashboard/studies/1/note")
        watched.page.get_by_text(f"Best: {study[1].best.speedup.value:.2f}x").wait_for()
        watched.page.goto(f"{base}/dashboard/studies/1/trials?numbers={study[1].best.trial}")
        watched.page.get_by_text(str(study[1].best.config)).first.wait_for()
