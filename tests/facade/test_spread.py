"""Searches of a grid at once: in processes of their own, and as tasks of Ray."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from accel_opt.core.config import Config
from accel_opt.core.errors import InputError
from accel_opt.core.measurement import Best, Interval
from accel_opt.core.spec import make_spec
from accel_opt.facade.cell import Answer
from accel_opt.facade.spread import Spread, spread

BEST = Best(
    Config({"tome": {"ratio": 0.5}}),
    Interval(1.5, 1.4, 1.6, 4),
    Interval(0.01, 0.0, 0.02, 4),
    1.0,
    1.5,
    "key",
    losses={"clip": Interval(0.01, 0.0, 0.02, 4)},
    value=1.5,
)


def refused(folder, *prompts):
    """Searches that end at once, as their prompts are in no file."""
    return [
        make_spec(
            steps=4, accelerators="deepcache", prompts_from=f"{name}.txt", out=folder / name,
            device="cpu",
        )
        for name in prompts
    ]  # fmt: skip


def test_an_answer_survives_being_text(tmp_path):
    for answer in (Answer(BEST, True, "done", tmp_path), Answer(error="no")):
        assert Answer.from_text(answer.to_text()) == answer


def test_an_engine_that_is_none_is_said():
    with pytest.raises(InputError, match="local or ray"):
        list(spread([make_spec()], Spread(2, "dask"), print))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_each_search_gives_its_answer(tmp_path, engine):
    if engine == "ray":
        pytest.importorskip("ray", reason="Ray is not installed (accel_opt[ray])")
    began = []
    how = Spread(2, engine)
    found = dict(spread(refused(tmp_path, "a", "b", "c"), how, began.append))
    assert sorted(began) == sorted(found) == [0, 1, 2]
    for number, name in enumerate("abc"):
        assert f"{name}.txt" in found[number].error


@pytest.mark.slow
def test_the_command_runs_two_searches_at_once(tmp_path):
    done = subprocess.run(
        [
            sys.executable, "-m", "accel_opt.cli.main", "grid", "--models", "shapes", "--steps",
            "4,5", "--accelerators", "deepcache", "--prompts", "8", "--batch-size", "4",
            "--trials", "2", "--workers", "2", "--device", "cpu", "--out", "all.json", "--json",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=550, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr[-2000:]
    rows = json.loads(done.stdout)["searches"]
    assert len(rows) == 2
    assert all("died" not in row["setting"] for row in rows)
    assert len(list(tmp_path.glob("studies/*/study.db"))) == 2
