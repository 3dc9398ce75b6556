import pytest

from accel_opt.core.errors import InputError, UnknownNameError
from accel_opt.core.spec import make_spec, read_toml


def test_defaults_are_the_main_job():
    spec = make_spec()
    assert (spec.model, spec.scheduler, spec.steps) == ("shapes", "DDIM", 20)
    assert spec.targets == ("deepcache", "tgate", "tome")
    assert spec.max_score_loss == 0.02


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 0}, "steps=0"),
        ({"steps": "many"}, "steps='many'"),
        ({"max_score_loss": "little"}, "max_score_loss='little'"),
        ({"max_score_loss": 0}, "max_score_loss=0"),
        ({"max_score_loss": 1.0}, "max_score_loss=1.0"),
        ({"max_score_loss": float("nan")}, "max_score_loss=nan"),
        ({"accelerators": ""}, "at least one accelerator"),
        ({"accelerators": "tome,tome"}, "twice"),
        ({"speedup": 2.0, "latency": 1.0}, "two targets"),
        ({"speedup": 0.5}, "speedup=0.5"),
        ({"frontier": True, "speedup": 2.0}, "frontier"),
        ({"trials": 0}, "trials=0"),
        ({"ranges": {"pab": {"x": (1, 2)}}}, "'pab'"),
        ({"sampler": "DDIM"}, "scheduler"),
    ],
)
def test_bad_input_is_one_line(options, says):
    with pytest.raises(InputError, match=r"^[^\n]*$") as caught:
        make_spec(**options)
    assert says in str(caught.value)


def test_unknown_option_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'guidance_scale'"):
        make_spec(guidance_scal=3)


def test_accelerators_as_text_or_list():
    assert make_spec(accelerators="tome, deepcache").targets == ("deepcache", "tome")
    assert make_spec(accelerators=["tome"]).accelerators == ("tome",)


def test_toml(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text('model = "SD1.5"\nsteps = 25\n[ranges.tome]\nratio = [0.1, 0.7, 0.1]\n')
    spec = make_spec(**read_toml(path))
    assert spec.ranges == {"tome": {"ratio": (0.1, 0.7, 0.1)}}
    path.write_text("steps = = 3")
    with pytest.raises(InputError, match="no TOML"):
        read_toml(path)
    with pytest.raises(InputError, match="no file"):
        read_toml(tmp_path / "other.toml")
