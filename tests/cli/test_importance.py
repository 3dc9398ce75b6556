"""Which parameters matter: a table of its own, and the end of `show trials`."""

import pytest

from accel_opt.search import search
from tests.search.tables import evaluate, plan, space


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    url = f"sqlite:///{tmp_path_factory.mktemp('importance') / 'study.db'}"
    for name, trials in (("many", 14), ("few", 3)):
        asked = plan(trials=trials, confirm=False, strategy="random", stop_early=False)
        search(space("deepcache"), evaluate, asked, storage=url, study_name=name)
    return url


def test_shares_of_every_parameter(cli, storage):
    status, rows, _ = cli(
        "show", "importance", "--study", "many", "--storage", storage, "--json", parse=True
    )
    assert status == 0
    assert {row["parameter"] for row in rows} == {
        "deepcache.cache_interval",
        "deepcache.cache_branch_id",
    }
    for of in ("speed", "clip"):
        assert sum(row[of] for row in rows) == pytest.approx(1, abs=0.01)


def test_trials_end_with_it(cli, storage):
    status, out, _ = cli("show", "trials", "--study", "many", "--storage", storage)
    assert status == 0
    assert "Importance" in out
    status, out, _ = cli("show", "trials", "--study", "few", "--storage", storage)
    assert status == 0
    assert "not said" in out


def test_it_wants_a_study(cli):
    status, _, error = cli("show", "importance")
    assert status == 2
    assert "--study NAME" in error
