"""Joining a study by hand: what is searched, who is refused, who is kept apart."""

from __future__ import annotations

import json

import optuna
import pytest

from accel_opt.core.config import Config
from accel_opt.core.errors import InputError, StudyMismatchError, UnknownNameError
from accel_opt.core.events import Notice, SearchStarted, TrialFinished, TrialStarted
from accel_opt.core.spec import make_spec
from accel_opt.search.conditions import CONDITIONS, SPEC
from accel_opt.search.plan import SearchPlan
from accel_opt.search.storage import open_storage
from accel_opt.search.strategies import Ending
from accel_opt.search.workers.joining import join
from accel_opt.search.workers.lines import last_line, line_of, read
from accel_opt.search.workers.places import places
from accel_opt.search.workers.problem import divided, named, of_study
from tests.search.tables import LIMITS
from tests.workers.problems import quick

TRIALS = 5


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setenv("TEST_TRIALS", str(TRIALS))
    monkeypatch.setenv("TEST_SECONDS", "0")


def test_a_worker_joins_and_leaves(journal):
    assert join(quick(), journal, "s").code == "trials"
    assert join(quick(), journal, "s").text == f"{TRIALS} evaluations, as asked"


def test_an_unlike_machine_is_refused_with_the_differences(journal, monkeypatch):
    join(quick(), journal, "s")
    monkeypatch.setenv("TEST_MACHINE", "that one")
    with pytest.raises(StudyMismatchError) as refused:
        join(quick(), journal, "s")
    text = str(refused.value)
    assert 'machine "this one" there, "that one" here' in text
    assert "--apart" in text
    study = optuna.load_study(study_name="s", storage=open_storage(journal))
    assert len(json.loads(study.user_attrs[CONDITIONS])) == 1


def test_an_unlike_machine_is_kept_apart_where_asked(journal, monkeypatch):
    join(quick(), journal, "s")
    monkeypatch.setenv("TEST_MACHINE", "that one")
    said = []
    for _ in range(2):
        join(quick(), journal, "s", apart=True, on_event=said.append)
    names = optuna.study.get_all_study_names(open_storage(journal))
    (own,) = set(names) - {"s"}
    assert own.startswith("s-apart-")
    study = optuna.load_study(study_name=own, storage=open_storage(journal))
    assert len(study.trials) == TRIALS
    assert any("kept apart" in event.text for event in said if isinstance(event, Notice))


def test_divided_threads_are_a_condition(journal):
    plan = SearchPlan(LIMITS)
    assert divided(plan) == plan
    assert divided(plan, 2).conditions == {"threads": 2}


def test_a_study_says_data_only(journal):
    """Neither an evaluator nor a folder that a study names is used."""
    study = optuna.create_study(study_name="s", storage=open_storage(journal))
    with pytest.raises(InputError, match="--problem"):
        of_study(journal, "s")
    spec = make_spec(model="no/such-model", out="/etc/somewhere", prompts_from="embedded")
    study.set_user_attr(SPEC, spec.model_dump_json())
    with pytest.raises(InputError, match="no/such-model"):
        of_study(journal, "s")
    study.set_user_attr(SPEC, '{"model": 5, "evaluate": "os:system"}')
    with pytest.raises(InputError, match="cannot be read"):
        of_study(journal, "s")
    with pytest.raises(UnknownNameError, match="unknown study"):
        of_study(journal, "other")


@pytest.mark.parametrize("name", ["nothing", "json:dumps", "no_such_module:f", "json:none"])
def test_a_problem_that_is_none_is_one_line(name):
    with pytest.raises((InputError, TypeError)):
        named(name)


def test_places_on_a_processor_divide_its_threads():
    found = places(2, "cpu")
    assert [place.name for place in found] == ["processor 0", "processor 1"]
    assert {place.environment["OMP_NUM_THREADS"] for place in found} == {str(found[0].threads)}
    assert found[0].threads >= 1


def test_places_on_gpus_are_pinned_one_each():
    found = places(2, None, gpus=["0", "GPU-abc", "2"])
    assert [p.environment["CUDA_VISIBLE_DEVICES"] for p in found] == ["0", "GPU-abc"]
    assert found[0].threads is None
    with pytest.raises(InputError, match="--workers 3"):
        places(4, "cuda", gpus=["0", "GPU-abc", "2"])
    with pytest.raises(InputError, match="names one device"):
        places(2, "cuda:1", gpus=["0", "1"])
    with pytest.raises(InputError, match="sees no GPU"):
        places(2, "cuda", gpus=[])


def test_events_survive_being_lines():
    best = None
    events = [
        Notice("a\nb"),
        SearchStarted("s", "memory", 0, 5, 16, "gp", None, {"clip": 0.02}),
        TrialFinished(3, Config({"tome": {"ratio": 0.5}}), "full", 1.5, {"clip": 0.01}, True,
                      best, 4, "all measured"),
    ]  # fmt: skip
    for event in events:
        line = line_of(event)
        assert "\n" not in line
        assert read(line) == event
    assert line_of(TrialStarted(1, Config())) is None
    assert read(last_line(Ending("trials", "done"))) == Ending("trials", "done")
    assert read(last_line(None, "no")) == "no"
    assert read('{"event": "TrialFin') is None


def test_the_command(journal, monkeypatch, capsys):
    from accel_opt.cli.main import main

    monkeypatch.setenv("ACCEL_OPT_STORAGE", journal)
    with pytest.raises(SystemExit) as ended:
        main(["worker", "--study", "s", "--problem", "tests.workers.problems:quick", "--json"])
    assert ended.value.code == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["ended"] == "trials"
    assert "evaluations, as asked" not in out or "study s in" in err
    monkeypatch.setenv("TEST_MACHINE", "that one")
    with pytest.raises(SystemExit) as ended:
        main(["worker", "--study", "s", "--problem", "tests.workers.problems:quick"])
    assert ended.value.code == 2
    assert "this worker is refused" in capsys.readouterr().err
