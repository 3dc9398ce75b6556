"""The page of a study: everything said, nothing foreign let in, small enough to send."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from accel_opt.core.config import Config
from accel_opt.core.errors import InputError
from accel_opt.core.measurement import Best, Interval, Limit
from accel_opt.report import (
    Baseline,
    Compared,
    Picture,
    Strip,
    StudyReport,
    Trial,
    Winner,
    study_document,
    study_html,
    study_markdown,
    study_png,
)
from accel_opt.report.plot import plot_of
from accel_opt.report.words import verdict

EVIL = '<script>alert("x")</script>'
LIMITS = (Limit("clip", 0.02), Limit("ssim", 0.3, relative=False, perfect=1.0))


def interval(value, reach=0.01):
    return Interval(value, value - reach, value + reach, 8)


def setting(i):
    return Config({"deepcache": {"cache_interval": 2 + i % 4, "cache_branch_id": i}})


def trial(i, outcome="full", speedup=1.5, lost=0.01):
    return Trial(
        number=i,
        setting=setting(i),
        outcome=outcome,
        reason="all 32 items measured",
        feasible=outcome == "full" and lost <= 0.02,
        front=i == 3,
        speedup=interval(speedup),
        losses={"clip": interval(lost, 0.002), "ssim": interval(0.1)},
        latency_s=0.1 / speedup,
        n_items=32,
    )


def winner(i=3, confirmed=True):
    best = Best(
        config=setting(i),
        speedup=interval(2.0),
        score_loss=interval(0.012, 0.001),
        latency_s=0.05,
        baseline_latency_s=0.1,
        key="k",
        losses={"clip": interval(0.012, 0.001), "ssim": interval(0.1)},
        trial=i,
        confirmed=confirmed,
        found_speedup=interval(2.1),
        found_score_loss=interval(0.009),
    )
    return Winner(best, 64 if confirmed else 0, 0.004, f"print({EVIL!r})", "import accel_opt")


def report(**changes):
    trials = tuple(trial(i, speedup=1 + i / 4, lost=0.004 * i) for i in range(8))
    whole = StudyReport(
        study="demo",
        storage="sqlite:///study.db",
        subject="SD1.5 (DDIMScheduler, 50 steps)",
        targets=("deepcache", "tome"),
        limits=LIMITS,
        conditions={"device": "NVIDIA H200", "versions": {"torch": "2.13.0"}, "seed": None},
        trials=trials,
        winner=winner(),
        baselines=(Baseline("fewer steps", "25 steps", interval(1.9), interval(0.02)),),
        compared=(Compared(True, "fewer steps: +2.00 % loss at 2.10x"),),
        importances={"speed": {"a.b": 0.7, "a.c": 0.3}, "clip": {"a.b": 0.2, "a.c": 0.8}},
        resume="accel-opt search --study demo",
        n_settings=16,
        wall_s=123.0,
    )
    return dataclasses.replace(whole, **changes)


class Checker(HTMLParser):
    """Collects what the tests ask for; every tag must be closed in order."""

    VOID = frozenset({"meta", "link", "input", "img", "br"})

    def __init__(self):
        super().__init__()
        self.open, self.links, self.scripts, self.ids = [], [], 0, []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.scripts += tag == "script"
        self.links += [found[name] for name in ("src", "href") if name in found]
        self.ids += [found["id"]] if "id" in found else []
        assert not any(name.startswith("on") for name in found)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def checked(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    assert checker.scripts == 1
    assert all(link.startswith(("data:", "#")) for link in checker.links)
    assert len(set(checker.ids)) == len(checker.ids)
    return checker


def test_the_page_says_everything_and_loads_nothing():
    page = study_html(report())
    checked(page)
    for text in (
        "2.00× as fast at 1.20 % clip loss (2 % allowed), confirmed on 64 prompts",
        "1.99 .. 2.01",
        "NVIDIA H200",
        "torch 2.13.0",
        "Beats</b> fewer steps",
        "accel-opt search --study demo",
        "cache_branch_id = 3",
        "tome",
        "+1.20 %",
        "a.b",
    ):
        assert text in page
    assert page.count("<tr id=") == 8
    assert "default-src &#39;none&#39;" in page
    assert len(page) < 100_000


def test_what_comes_from_a_database_is_text():
    nasty = report(
        study=EVIL,
        storage=EVIL,
        subject=EVIL,
        targets=(EVIL,),
        conditions={EVIL: EVIL, "device": EVIL},
        limits=(Limit(EVIL, 0.02),),
        trials=(
            dataclasses.replace(trial(0), reason=EVIL, preset=EVIL, losses={EVIL: interval(0.01)}),
        ),
        baselines=(Baseline(EVIL, EVIL, interval(1.2), interval(0.01)),),
        compared=(Compared(False, EVIL),),
        importances={"speed": {EVIL: 1.0}},
        resume=EVIL,
        rejected=((winner().best, EVIL),),
        strips=(Strip(EVIL, (Picture("gone.png", EVIL, EVIL),)),),
    )
    page = study_html(nasty)
    checked(page)
    assert EVIL not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trials": (), "winner": None}, "Nothing of SD1.5 (DDIMScheduler, 50 steps) is measured"),
        ({"winner": None}, "None of 8 settings makes"),
        ({"winner": winner(confirmed=False)}, "not confirmed on other prompts"),
        (
            {"winner": winner(confirmed=False), "rejected": ((winner().best, "too lossy"),)},
            "did not bear it out",
        ),
        ({"compared": (Compared(False, "x"),)}, "does not beat what needs no search"),
    ],
)
def test_the_verdict_is_honest(changes, said):
    made = report(**changes)
    assert said in verdict(made)
    checked(study_html(made))
    assert said in study_markdown(made)
    json.dumps(study_document(made), allow_nan=False)


def test_numbers_that_are_none_become_dashes():
    nothing = Interval(math.nan, math.nan, math.nan, 0)
    failed = dataclasses.replace(
        trial(1),
        outcome="failed",
        reason="out of memory",
        feasible=False,
        speedup=nothing,
        losses={},
        latency_s=math.nan,
        n_items=0,
    )
    unbounded = dataclasses.replace(trial(2), speedup=Interval(1.5, -math.inf, math.inf, 1))
    page = study_html(report(trials=(failed, unbounded)))
    checked(page)
    table = page[page.index('id="trials"') : page.index("How it was measured")]
    words = re.sub(r"<[^>]*>", " ", table).lower().split()
    assert not {"nan", "inf", "-inf", "nan×"} & set(words)
    assert "out of memory" in page


def test_losses_far_beyond_are_drawn_at_the_edge():
    far = tuple(trial(i, "hopeless", 3.0, 0.5) for i in range(10, 14))
    plot = plot_of(report(trials=report().trials + far))
    assert plot.y[1] < 0.08
    assert any(mark.y > plot.y[1] for mark in plot.marks)
    assert "Arrows at the upper edge" in study_html(report(trials=report().trials + far))


def test_two_hundred_trials_and_two_dozen_pairs_stay_small(tmp_path):
    rng = np.random.default_rng(0)
    strips = []
    for i in range(24):
        pair = []
        for kind in ("baseline", "accelerated"):
            path = tmp_path / f"{kind}-{i}.png"
            # Noise is the worst a picture can be for a JPEG.
            Image.fromarray(rng.integers(0, 255, (512, 512, 3), dtype=np.uint8)).save(path)
            pair.append(Picture(path, kind))
        strips.append(Strip(f"prompt {i}", tuple(pair)))
    trials = tuple(trial(i, speedup=1 + i / 90, lost=0.0002 * i) for i in range(200))
    page = study_html(report(trials=trials, strips=tuple(strips)))
    checked(page)
    assert page.count('src="data:image/jpeg') == 48
    assert len(page.encode()) <= 1_500_000


def test_files_that_are_no_images_are_left_out(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (tmp_path / "b.png").write_text("<svg onload=alert(1)>")
    pictures = tuple(Picture(tmp_path / name, name) for name in ("a.png", "b.png", "c.png"))
    page = study_html(report(strips=(Strip("first", pictures),)))
    checked(page)
    assert page.count("no image") == 3


def test_the_other_formats():
    made = report()
    document = study_document(made)
    again = json.loads(json.dumps(document, allow_nan=False))
    assert again["winner"]["best"]["config"] == {
        "deepcache": {"cache_branch_id": 3, "cache_interval": 5}
    }
    assert len(again["trials"]) == 8
    assert study_markdown(made).count("\n| ") > 10
    assert study_png(made).startswith(b"\x89PNG")


def failing(config, batch):
    raise RuntimeError(f"the cable {EVIL} is out")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"frontier": True, "trials": 6}, "as fast"),
        ({"trials": 3, "evaluate": failing}, "None of 3 settings makes"),
        ({"trials": 2, "objective": "flops"}, "as fast"),
    ],
)
def test_studies_of_every_kind_have_a_page(tmp_path, options, said):
    from accel_opt.facade.study_report import study_report
    from accel_opt.search import search
    from tests.search.tables import evaluate, plan, space

    options = dict(options)
    measure = options.pop("evaluate", evaluate)
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    search(space(), measure, plan(confirm=False, **options), storage=storage, study_name="seam")
    page = study_html(study_report("seam", storage))
    checked(page)
    assert said in page
    assert EVIL not in page
    if measure is failing:
        assert "the cable" in page
        with pytest.raises(InputError, match="nothing to plot"):
            study_png(study_report("seam", storage))
