"""optuna-dashboard as `accel-opt dashboard` serves it, in a real browser."""

from __future__ import annotations

import re
import threading

import pytest

from accel_opt.search.dashboard import Storages, server, study_path
from tests.report.demo import NAME

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(study):
    storages = Storages(study[0])
    with server(storages, "127.0.0.1", 0) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}", study_path(storages, NAME)
        served.shutdown()
        thread.join()


def test_the_best_shown_is_the_feasible_best(watched, address, study):
    base, path = address
    best = study[1].best
    fastest = max(study[1].trials, key=lambda record: record.gain.value)
    assert fastest.number != best.trial  # the stock dashboard would show this one
    watched.page.goto(base + path)
    watched.page.get_by_text(f"Best Trial (number={best.trial})").wait_for()
    outside = [url for url in watched.requests if not url.startswith((base, "data:", "blob:"))]
    assert outside == []


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
