"""The main job on the embedded model, with a small budget."""

import json
import subprocess
import sys

import pytest

from accel_opt.core.errors import StudyMismatchError
from accel_opt.core.spec import make_spec
from accel_opt.facade.main_job import resume_command, run
from accel_opt.results import read
from accel_opt.search.read import read_study

SMALL = {"accelerators": "deepcache", "prompts": 16, "trials": 5, "steps": 10}


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    return run(make_spec(**SMALL, out=folder, confirm=False)), folder


def test_everything_is_written(job):
    outcome, folder = job
    assert outcome.answered
    assert outcome.winner is not None
    assert not outcome.winner.confirmed
    entries = read(folder / "search_params.json").entries
    assert str(next(iter(entries.values())).key) in entries
    assert outcome.program is not None
    compile(outcome.program.read_text(), "program", "exec")
    kinds = {"fewer steps", "guidance cut-off", "published presets"}
    assert {c.kind for c in outcome.comparisons} == kinds
    assert list((folder / "samples").glob("*.png"))


def test_the_study_tells_what_was_asked_and_what_came_of_it(job):
    outcome, folder = job
    study = read_study(str(outcome.spec.study), f"sqlite:///{folder / 'study.db'}")
    assert study.spec == outcome.spec
    assert len(study.records) == 5
    assert study.conditions["scorer"].startswith("transformers CLIPModel")
    assert all(record.reason for record in study.records)


def test_the_same_again_measures_nothing_twice(job):
    outcome, folder = job
    again = run(make_spec(**SMALL, out=folder, confirm=False))
    assert [r.key for r in again.result.trials] == [r.key for r in outcome.result.trials]
    assert again.keys == ()


def test_other_conditions_are_refused_with_the_differences(job):
    outcome, folder = job
    name = str(outcome.spec.study)
    with pytest.raises(StudyMismatchError, match="guidance_scale"):
        run(make_spec(**SMALL, out=folder, confirm=False, study=name, guidance_scale=2.0))
    with pytest.raises(StudyMismatchError, match="another shape"):
        run(make_spec(**SMALL | {"accelerators": "tome"}, out=folder, confirm=False, study=name))


def test_the_program_runs_by_itself(job, tmp_path):
    outcome, _ = job
    done = subprocess.run(
        [sys.executable, str(outcome.program.resolve()), "a large red ring on a blue background"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "images").glob("*.png"))) == 1


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"model": "SD1.5", "steps": 50, "max_score_loss": 0.05, "require_all": True},
        {"ranges": {"tome": {"ratio": (0.1, 0.7, 0.1)}}, "max_loss": {"ssim": 0.3}},
        {"confirm": False, "negative_prompt": "it's ugly", "timeout": 40.0},
        {"latency": 1.5, "achieved_only": True},
    ],
)
def test_the_resume_command_asks_for_the_same(options):
    import shlex

    from accel_opt.cli.main import build
    from accel_opt.cli.search import spec_from_options

    words = shlex.split(resume_command(make_spec(**options)))
    assert words[:2] == ["accel-opt", "search"]
    command = build().commands["search"]
    context = command.make_context("search", words[2:])
    given = {k: v for k, v in context.params.items() if v not in (None, False, [], ())}
    if options.get("confirm") is False:
        given["confirm"] = False
    assert spec_from_options(given) == make_spec(**options)


@pytest.mark.slow
def test_interrupted_then_the_same_command(tmp_path):
    """Ctrl-C in mid-search, then the same command: nothing is lost, nothing twice."""
    import signal
    import time

    command = [sys.executable, "-m", "accel_opt.cli.main", "search", "--accelerators", "deepcache"]
    command += ["--no-confirm", "--prompts", "16", "--out", "mine", "--json"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(30)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out)["status"] == 130
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    study = read_study(document["study"], f"sqlite:///{tmp_path / 'mine' / 'study.db'}")
    keys = [record.key for record in study.records if record.outcome != "interrupted"]
    assert len(keys) == len(set(keys))
    # What was found without confirmation is confirmed, and exported, by commands of their own.
    where = ["--study", document["study"], "--storage", "sqlite:///mine/study.db", "--json"]
    door = command[:3]
    looked = subprocess.run(
        [*door, "confirm", *where], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert looked.returncode in (0, 1), looked.stderr
    verdicts = json.loads(looked.stdout)["verdicts"]
    assert verdicts, "something was looked at"
    exported = subprocess.run(
        [*door, "export", *where, "--out", "mine.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    # Only what is confirmed is exported.
    assert exported.returncode == looked.returncode, exported.stderr
    assert (tmp_path / "mine.json").exists() == (looked.returncode == 0)
