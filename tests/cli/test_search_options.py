import pytest

from accel_opt.cli.search import spec_from_options
from accel_opt.core.errors import InputError


def test_no_options_is_the_main_job():
    spec = spec_from_options({})
    assert (spec.model, spec.steps, len(spec.accelerators)) == ("shapes", 20, 3)


def test_an_old_command_line_still_means_the_same():
    spec = spec_from_options({"search_targets": "deepcache,tome", "req_score_loss": "0.05"})
    assert (spec.model, spec.scheduler, spec.steps) == ("SD1.5", "DDIM", 50)
    assert spec.accelerators == ("deepcache", "tome")
    assert spec.require_all
    assert spec.max_score_loss == 0.05
    assert (spec.prompts, spec.batch_size, spec.seed) == (100, 4, 42)


@pytest.mark.parametrize(
    ("flag", "value", "field", "means"),
    [
        ("pipe", "SDXL", "model", "SDXL"),
        ("sched", "UniPC", "scheduler", "UniPC"),
        ("num_samples", 32, "prompts", 32),
        ("req_speedup", 2.0, "speedup", 2.0),
        ("req_time", 1.5, "latency", 1.5),
    ],
)
def test_each_old_flag_brings_the_old_defaults(flag, value, field, means):
    spec = spec_from_options({flag: value})
    assert getattr(spec, field) == means
    assert spec.steps == 50
    if flag != "search_targets":
        assert spec.accelerators == ("deepcache",)


def test_old_and_new_may_not_contradict():
    with pytest.raises(InputError, match="different things"):
        spec_from_options({"pipe": "SDXL", "model": "SD1.5"})


def test_sampler_is_answered_with_scheduler():
    with pytest.raises(InputError, match="--scheduler DDIM"):
        spec_from_options({"sampler": "DDIM"})


def test_ranges_and_limits():
    spec = spec_from_options(
        {"ranges": ["tome.ratio=0.1:0.7:0.1"], "max_loss": ["ssim=0.3", "clip=0.05"]}
    )
    assert spec.ranges == {"tome": {"ratio": (0.1, 0.7, 0.1)}}
    assert spec.max_loss == {"ssim": 0.3}
    assert spec.max_score_loss == 0.05


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ranges": ["tome=0.1:0.7"]}, "tome.ratio=0.1:0.7:0.1"),
        ({"ranges": ["tome.ratio=x:y"]}, "tome.ratio=0.1:0.7:0.1"),
        ({"max_loss": ["ssim"]}, "ssim=0.3"),
        ({"max_loss": ["ssim=much"]}, "no number"),
        ({"max_score_loss": "little"}, "0.02"),
    ],
)
def test_bad_input_says_what_to_type(options, says):
    with pytest.raises(InputError) as caught:
        spec_from_options(options)
    assert says in str(caught.value)


def test_options_win_over_the_file(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text('model = "SDXL"\nsteps = 25\n')
    spec = spec_from_options({"steps": 30}, path)
    assert (spec.model, spec.steps) == ("SDXL", 30)
