import pytest

from accel_opt.core.config import Config
from accel_opt.core.measurement import Best, Interval
from accel_opt.search.references import Reference, compare


def interval(value):
    return Interval(value, value - 0.01, value + 0.01, 8)


def reference(speedup, loss, kind="fewer steps"):
    return Reference(kind, "x", interval(speedup), interval(loss))


def winner(speedup, loss):
    return Best(Config({"a": {"b": 1}}), interval(speedup), interval(loss), 0.1, 0.2, "k")


CURVE = [reference(2.0, 0.01), reference(4.0, 0.05), reference(8.0, 0.4)]


@pytest.mark.parametrize(
    ("speedup", "loss", "beats"),
    [
        (2.0, 0.005, True),  # less loss at equal latency
        (2.0, 0.015, False),  # more loss, and fewer steps reach as far within the limit
        (3.0, 0.02, True),  # faster than any number of steps within the limit
        (1.5, 0.012, False),
        (9.0, 0.02, True),  # beyond the curve
    ],
)
def test_equal_latency(speedup, loss, beats):
    (found,) = compare(winner(speedup, loss), CURVE, 0.02)
    assert found.beats is beats
    assert found.kind == "fewer steps"


def test_loss_between_two_points_is_interpolated():
    (found,) = compare(winner(8**0.5, 0.0), CURVE, 0.02)
    assert found.reference_loss == pytest.approx(0.03)


def test_kinds_are_compared_apart():
    found = compare(winner(2.0, 0.01), [*CURVE, reference(1.6, 0.0, "guidance cut-off")], 0.02)
    assert [c.kind for c in found] == ["fewer steps", "guidance cut-off"]
    assert found[1].reference_loss is None


def test_a_curve_is_the_front_of_its_points():
    dominated = reference(1.8, 0.5, "published presets")
    points = [reference(2.0, 0.01, "published presets"), dominated]
    (found,) = compare(winner(1.8, 0.0), points, 0.02)
    assert found.reference_loss < 0.01


def test_every_kind_is_measured_once_and_kept(tmp_path):
    from accel_opt.core.spec import make_spec
    from accel_opt.search.pipeline_problem import PipelineProblem
    from accel_opt.search.references import measure_references
    from accel_opt.testing import tiny_pipeline

    spec = make_spec(
        model="shapes", steps=4, prompts=2, batch_size=1, out=tmp_path, scheduler="DDIM"
    )
    pipe = tiny_pipeline("sd")
    problem = PipelineProblem.from_spec(spec, pipe)
    found = measure_references(problem)
    kinds = {reference.kind for reference in found}
    assert kinds == {"fewer steps", "guidance cut-off", "published presets"}
    presets = [r.label for r in found if r.kind == "published presets"]
    assert any(label.startswith("deepcache(") for label in presets)
    assert measure_references(problem) == found
