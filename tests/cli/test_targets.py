"""A target that is not met writes no entry."""

from __future__ import annotations

import json

import pytest

from accel_opt import results
from accel_opt.core.spec import make_spec
from accel_opt.facade.main_job import run

SMALL = {
    "model": "shapes",
    "accelerators": "deepcache",
    "steps": 6,
    "prompts": 4,
    "batch_size": 4,
    "trials": 2,
    "max_score_loss": 0.5,
    "confirm": False,
}


@pytest.mark.slow
@pytest.mark.parametrize("target", [{"latency": 1e-6}, {"speedup": 500.0}])
def test_a_target_that_is_not_met_writes_no_entry_and_exits_1(tmp_path, cli, target):
    (value,), notices = target.values(), []
    outcome = run(make_spec(**SMALL, **target, out=tmp_path / "s"), notices.append)
    assert outcome.winner is not None
    assert not outcome.answered
    assert outcome.program is None
    assert not (tmp_path / "s" / "search_params.json").exists()
    assert any("required" in str(notice) for notice in notices)
    export = ("export", "--study", outcome.spec.study, "--storage", outcome.spec.storage)
    status, _, err = cli(*export, "--unconfirmed", "--out", "p.json")
    assert status == 1
    assert f"{value:g}" in err
    assert not (tmp_path / "p.json").exists()


@pytest.mark.slow
def test_the_old_required_time_from_search_to_look_up(tmp_path, cli):
    outcome = run(make_spec(**SMALL, latency=60.0, achieved_only=True, out=tmp_path / "s"))
    (key,) = outcome.keys
    assert list(json.loads(outcome.params.read_text())) == [key]
    entry = results.read(outcome.params).entries[key]
    assert entry.key.speedup == entry.speedup
    assert entry.provenance["required_latency_s"] == 60.0
    config = {"model": "shapes", "scheduler": "DDIM", "steps": 6, "max_score_loss": 0.5}
    assert results.lookup(outcome.params, **config, speedup=entry.speedup).key == key
    with pytest.raises(results.MissingEntryError):
        results.lookup(outcome.params, **config)
    generate = ("generate", "--params", outcome.params, "--key", key, "--out", "o")
    assert cli(*generate)[0] == 0
    status, found, _ = cli("summary", outcome.params, "--json", parse=True)
    assert (found["entries"], found["upper_bounds"]) == (1, [])
    (tmp_path / "t.txt").write_text(
        f"a shapes pipeline (DDIM, 6 steps), {entry.speedup}x speedup, precision loss 50%\n"
        "a shapes pipeline (DDIM, 6 steps), {}x speedup, precision loss 50%\n"
    )
    missing = ("missing", "--params", outcome.params, "--tasks", "t.txt", "--json")
    status, found, _ = cli(*missing, parse=True)
    assert (status, found["wanted"], len(found["missing"])) == (1, 2, 1)
