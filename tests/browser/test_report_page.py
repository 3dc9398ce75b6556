"""The report in a real browser: quiet, drawn, sortable, alone."""

from __future__ import annotations

import json

import pytest

from accel_opt.facade.study_report import study_report
from accel_opt.report import judged_html, read_results, study_html
from tests.report.demo import NAME, picture
from tests.report.test_judged import RESULTS

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_file(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(study_html(study_report(NAME, study[0])), encoding="utf-8")
    return path


def numbers(page, column):
    cells = page.locator(f"#trials tbody tr td:nth-child({column})")
    return [float(v) for v in cells.evaluate_all("cells => cells.map(c => c.dataset.v)") if v]


def test_the_study_page(watched, page_file, study):
    page = watched.page
    page.goto(page_file.as_uri())
    result = study[1]
    assert f"{result.best.speedup.value:.2f}×" in page.locator("h1").inner_text()
    assert page.locator("svg.plot .m").count() > len(result.trials)
    assert page.locator("svg.plot .winner").first.bounding_box()["width"] > 5
    images = page.locator("figure img")
    assert images.count() >= 6
    assert images.evaluate_all("all => all.every(i => i.complete && i.naturalWidth > 0)")
    assert "lost most" in page.content()
    assert watched.complaints == []
    outside = [url for url in watched.requests if not url.startswith(("data:", "file:"))]
    assert outside == []
    assert watched.requests.count(page_file.as_uri()) == 1


def test_sorting_and_filtering(watched, page_file, study):
    page = watched.page
    page.goto(page_file.as_uri())
    head = page.locator("#trials th button", has_text="speedup")
    head.click()
    assert page.locator("#trials th").nth(2).get_attribute("aria-sort") == "ascending"
    assert numbers(page, 3) == sorted(numbers(page, 3))
    head.press("Enter")  # the keyboard does, too
    assert numbers(page, 3) == sorted(numbers(page, 3), reverse=True)
    page.get_by_label("only what was fully measured").check()
    full = sum(record.outcome == "full" for record in study[1].trials)
    assert page.locator("#trials tbody tr:visible").count() == full
    page.locator("svg.plot a").last.click()
    assert page.locator("tr:target").count() == 1
    assert watched.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_and_can_be_read(watched, page_file, scheme, width):
    page = watched.page
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(page_file.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    paper, ink = page.evaluate(
        "() => { const s = getComputedStyle(document.body); return [s.backgroundColor, s.color] }"
    )
    bright = [sum(int(v) for v in c[4:-1].split(",")) for c in (paper, ink)]
    assert (bright[0] > bright[1]) == (scheme == "light")


def test_it_prints(watched, page_file):
    page = watched.page
    page.emulate_media(color_scheme="dark", media="print")
    page.goto(page_file.as_uri())
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("button.copy:visible").count() == 0
    assert len(page.pdf(format="A4")) > 10_000


def test_the_page_of_judged_programs(watched, tmp_path):
    results = tmp_path / "evaluation_results.json"
    results.write_text(json.dumps(RESULTS))
    for task in ("192", "195"):
        (tmp_path / "images" / task).mkdir(parents=True)
        for name in ("baseline-0.png", "accelerated-0.png"):
            picture(int(task), 0.01).save(tmp_path / "images" / task / name)
    path = tmp_path / "report.html"
    path.write_text(judged_html(read_results(results), results.name), encoding="utf-8")
    page = watched.page
    page.goto(path.as_uri())
    assert page.locator("h1").inner_text().startswith("3 of 14 programs pass")
    assert page.locator("svg.plot .m").count() == 6
    images = page.locator("figure img, td img")
    assert images.count() == 4
    assert images.evaluate_all("all => all.every(i => i.complete && i.naturalWidth > 0)")
    page.locator("#tasks th button", has_text="achieved").click()
    cells = page.locator("#tasks tbody tr td:nth-child(5)")
    shown = cells.evaluate_all("cells => cells.map(c => c.dataset.v)")
    known = [float(value) for value in shown if value]
    assert known == sorted(known)
    assert shown[len(known) :] == [""] * (len(shown) - len(known))
    page.get_by_label("only what failed").check()
    assert page.locator("#tasks tbody tr:visible").count() == 11
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith(("data:", "file:"))] == []
