"""The device is left to the process that confirms."""

from __future__ import annotations

import pytest

from accel_opt.core.spec import make_spec
from accel_opt.search import pipeline_problem
from accel_opt.search.evaluators import at_rest
from accel_opt.search.pipeline_problem import PipelineProblem
from accel_opt.testing import tiny_pipeline
from tests.search.tables import evaluate


@pytest.fixture
def problem():
    made = PipelineProblem.from_spec(make_spec())
    made.pipe = tiny_pipeline("sd")
    yield made
    made.close()


def test_a_problem_is_moved_off_its_gpu_and_back_again(problem, monkeypatch):
    moves = []
    monkeypatch.setattr(pipeline_problem, "device_of", lambda _: "cuda:1")
    monkeypatch.setattr(pipeline_problem, "free", lambda device: moves.append(f"free {device}"))
    monkeypatch.setattr(problem, "move", lambda device: moves.append(f"to {device}"))
    name = problem.evaluate
    with at_rest(name):
        assert moves == ["to cpu", "free cuda:1"]
    assert moves == ["to cpu", "free cuda:1", "to cuda:1"]


def test_every_part_moves(problem):
    problem.move("meta")
    assert {str(p.device) for p in problem.pipe.unet.parameters()} == {"meta"}
    assert {str(p.device) for p in problem.pipe.vae.parameters()} == {"meta"}


def test_a_processor_and_other_evaluators_stay_as_they_are(problem, monkeypatch):
    monkeypatch.setattr(problem, "move", None)
    for name in (problem.evaluate, "tests.search.workers:made_from#good", evaluate):
        with at_rest(name):
            pass


def test_a_problem_that_is_closed_is_let_go(problem):
    name = problem.evaluate
    text = name.partition("#")[2]
    assert text in pipeline_problem._BUILT
    problem.close()
    assert text not in pipeline_problem._BUILT
    assert "pipe" not in vars(problem)
