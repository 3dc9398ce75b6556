from importlib.metadata import EntryPoint

import pytest

from accel_opt.core.errors import InputError, MissingPackageError, UnknownNameError
from accel_opt.core.weights import mark_random_weights
from accel_opt.metrics import Metric, check_scorable, get_metric, metric_names, registry
from accel_opt.metrics.lpips import Lpips


def register(monkeypatch, *points):
    found = [EntryPoint(name, value, registry.GROUP) for name, value in points]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)


def test_built_in():
    assert {"clip", "lpips", "psnr", "ssim"} <= set(metric_names())


def test_unknown_names_list_the_known():
    with pytest.raises(UnknownNameError, match=r"did you mean 'ssim'.*clip, lpips, psnr"):
        get_metric("sim")


def test_foreign_metrics_come_in_by_entry_point(monkeypatch):
    register(monkeypatch, ("ssim", "accel_opt.metrics.ssim:Ssim"))
    assert metric_names().count("ssim") == 1
    register(monkeypatch, ("ssim", "theirs:Ssim"))
    with pytest.raises(InputError, match=r"registered twice.*theirs:Ssim"):
        metric_names()


@pytest.mark.parametrize("value", ["accel_opt.metrics.base:Images", "accel_opt.metrics.ssim:Ssim"])
def test_what_is_no_such_metric_is_refused(monkeypatch, value):
    register(monkeypatch, ("theirs", value))
    with pytest.raises(InputError, match="no such Metric"):
        get_metric("theirs")


def test_a_missing_package_names_its_install_command(monkeypatch):
    register(monkeypatch, ("theirs", "no_such_package.metric:Theirs"))
    with pytest.raises(MissingPackageError, match="pip install no_such_package"):
        get_metric("theirs")


def test_requirements_are_checked_when_constructed(monkeypatch):
    monkeypatch.setattr(Lpips, "requires", ("torchvision", "no_such_package"))
    with pytest.raises(MissingPackageError, match=r"metric lpips needs the package"):
        Lpips()


def test_a_metric_of_our_own_needs_little():
    class Brightness(Metric):
        name = "brightness"
        unit = "mean of 255"

        def score(self, images, prompts, baseline=None):
            return tuple(float(image.mean()) for image in images)

    assert Brightness().perfect == 1.0


def test_random_weights_are_not_scored():
    class Pipe:
        pass

    pipe = Pipe()
    check_scorable(pipe, ["clip"])
    mark_random_weights(pipe)
    check_scorable(pipe, [])
    with pytest.raises(InputError, match="clip, ssim would score noise"):
        check_scorable(pipe, ["clip", "ssim"])
