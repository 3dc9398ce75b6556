"""A few of the benchmark's tables, so that a change that makes the search worse is noticed."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "studies" / "benchmarks" / "search"))


@pytest.mark.parametrize(
    ("kind", "seeds", "most"),
    [
        ("deepcache16", 4, 9),
        ("tome36", 4, 8),
        ("tgate1800", 3, 10),
        pytest.param("combo1M", 3, 60, marks=pytest.mark.slow),
    ],
)
def test_the_best_is_near_after_few_evaluations(kind, seeds, most):
    from run import bar_seed, one

    rows = [one(kind, "plain", bar_seed(i), "gp") for i in range(seeds)]
    assert sorted(row["to95"] or math.inf for row in rows)[seeds // 2] <= most
    assert sum(row["wrong_stops"] for row in rows) == 0


def test_nothing_feasible_is_said():
    from run import bar_seed, one

    row = one("tgate1800", "infeasible", bar_seed(100), "gp")
    assert row["ended"] == "infeasible"
    assert row["evaluations"] <= 60


def test_the_loops_position_is_what_walking_them_gives():
    from run import walk
    from tables import Table

    from accel_opt.search.space import Setting
    from accel_opt.search.strategies.simple import nested_loops

    table = Table("tgate1800", "plain", 0)
    seen = set()
    for point in nested_loops(table.space):
        setting = table.space.resolve(point)
        assert isinstance(setting, Setting)
        seen.add(setting.key)
        faster, feasible = table.truth(setting.config)
        if feasible and faster >= table.optimum - 0.0512932943875506:
            break
    assert walk(table, skip=False)["to95"] == len(seen)


def test_recorded_tables_replay(tmp_path):
    import json

    from recorded import Recorded, record
    from run import run_on
    from tables import Table

    from accel_opt.search import SearchPlan

    table = Table("deepcache16", "plain", 1)
    plan = SearchPlan(table.limits, n_items=100, batch_size=10)
    data = record("deepcache", table.space, table.evaluate, plan, sample=None, seed=0)
    path = tmp_path / "table.json"
    path.write_text(json.dumps(data))
    replay = Recorded(path)
    assert replay.n_feasible == table.n_feasible
    assert replay.optimum == pytest.approx(table.optimum, abs=0.02)
    assert run_on(replay, 5, "gp")["to95"] <= 9
