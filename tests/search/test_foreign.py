"""Results measured elsewhere seed a search, and never win by their own numbers."""

from __future__ import annotations

import optuna
import pytest

from accel_opt.core.config import Config
from accel_opt.search import search
from accel_opt.search.foreign import ForeignResult, add_foreign, foreign_results, seeded
from accel_opt.search.imported import imported
from tests.search.tables import evaluate, plan, space

GOOD = Config({"deepcache": {"cache_interval": 3, "cache_branch_id": 0}})
OUTSIDE = Config({"deepcache": {"cache_interval": 9, "cache_branch_id": 0}})
CAPPED = Config({"tome": {"ratio": 0.75, "max_downsample": 2}})
OTHER = Config({"blur": {"radius": 3}})


def foreign(config, speedup=50.0):
    return ForeignResult(config, speedup, 0.001, "old.json")


@pytest.mark.parametrize("strategy", ["gp", "tpe"])
def test_imported_settings_are_measured_first(tmp_path, strategy):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(storage=url, study_name="s", direction="maximize")
    added = add_foreign(study, [foreign(GOOD, 3.0), foreign(CAPPED, 2.0), foreign(OTHER, 9.0)])
    assert len(added) == 3
    result = search(
        space(),
        evaluate,
        plan(strategy=strategy, trials=4, confirm=False),
        storage=url,
        study_name="s",
    )
    configs = [record.config for record in result.trials]
    assert configs[:2] == [GOOD, Config({"tome": {"ratio": 0.8, "max_downsample": 2}})]
    assert len(configs) == 4
    assert result.best.speedup.value < 4
    again = search(
        space(),
        evaluate,
        plan(strategy=strategy, trials=4, confirm=False),
        storage=url,
        study_name="s",
    )
    assert [record.key for record in again.trials] == [record.key for record in result.trials]


def test_a_search_that_has_begun_takes_them_in_too(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    options = {"storage": url, "study_name": "s"}
    chosen = {"strategy": "tpe", "confirm": False}
    first = search(space(), evaluate, plan(trials=3, **chosen), **options)
    new = Config({"tgate": {"gate_step": 13, "sp_interval": 7, "fi_interval": 3, "warmup": 2}})
    assert new not in [record.config for record in first.trials]
    add_foreign(first.study, [foreign(new)])
    second = search(space(), evaluate, plan(trials=4, **chosen), **options)
    assert second.trials[-1].config == new


def test_imported_results_are_listed_by_study(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(storage=url, study_name="s", direction="maximize")
    optuna.create_study(storage=url, study_name="another", direction="maximize")
    add_foreign(study, [foreign(GOOD, 2.0), foreign(CAPPED, 3.0)])
    (found,) = imported(url)
    assert (found.study, found.storage) == ("s", url)
    assert [(r.config, r.speedup, r.trial) for r in found.results] == [
        (CAPPED, 3.0, 0),
        (GOOD, 2.0, 1),
    ]


def test_they_never_win():
    study = optuna.create_study(direction="maximize")
    add_foreign(study, [foreign(GOOD)])
    with pytest.raises(ValueError, match="feasible"):
        _ = study.best_trial
    (trial,) = study.trials
    assert trial.state.is_finished()
    assert "measured elsewhere (old.json)" in trial.user_attrs["outcome"]


def test_each_setting_is_added_once_the_fastest():
    study = optuna.create_study(direction="maximize")
    add_foreign(study, [foreign(GOOD, 2.0), foreign(GOOD, 3.0), foreign(CAPPED, 1.5)])
    assert add_foreign(study, [foreign(GOOD, 9.0)]) == []
    assert [result.speedup for result in foreign_results(study)] == [3.0, 1.5]


def test_settings_outside_the_ranges_come_as_near_as_they_can():
    study = optuna.create_study(direction="maximize")
    add_foreign(study, [foreign(OUTSIDE), foreign(OTHER)])
    (nearest,) = seeded(space(), study).presets
    assert nearest == Config({"deepcache": {"cache_interval": 5, "cache_branch_id": 0}})


def test_two_objectives_take_two_values():
    study = optuna.create_study(directions=["maximize", "minimize"])
    add_foreign(study, [foreign(GOOD)])
    assert study.trials[0].values == [50.0, 0.001]
