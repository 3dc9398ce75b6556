import json
from importlib.metadata import EntryPoint

import pytest

from accel_opt.core.errors import InputError, MissingPackageError, UnknownNameError
from accel_opt.core.weights import mark_random_weights
from accel_opt.metrics import (
    Metric,
    check_scorable,
    clip_checkpoint,
    get_metric,
    metric_names,
    register,
    registry,
)
from accel_opt.metrics.lpips import Lpips


class Brightness(Metric):
    name = "brightness"
    unit = "mean of 255"

    def score(self, images, prompts, baseline=None):
        return tuple(float(image.mean()) for image in images)


class Impostor(Brightness):
    name = "ssim"


class Nameless(Brightness):
    name = ""


def found_there(monkeypatch, *points):
    found = [EntryPoint(name, value, registry.GROUP) for name, value in points]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)


def test_built_in():
    assert {"clip", "lpips", "psnr", "ssim"} <= set(metric_names())


def test_unknown_names_list_the_known():
    with pytest.raises(UnknownNameError, match=r"did you mean 'ssim'.*clip, lpips, psnr"):
        get_metric("sim")


def test_foreign_metrics_come_in_by_entry_point(monkeypatch):
    found_there(monkeypatch, ("ssim", "accel_opt.metrics.ssim:Ssim"))
    assert metric_names().count("ssim") == 1
    found_there(monkeypatch, ("ssim", "theirs:Ssim"))
    with pytest.raises(InputError, match=r"registered twice.*theirs:Ssim"):
        metric_names()


@pytest.mark.parametrize("value", ["accel_opt.metrics.base:Images", "accel_opt.metrics.ssim:Ssim"])
def test_what_is_no_such_metric_is_refused(monkeypatch, value):
    found_there(monkeypatch, ("theirs", value))
    with pytest.raises(InputError, match="no such Metric"):
        get_metric("theirs")


def test_a_missing_package_names_its_install_command(monkeypatch):
    found_there(monkeypatch, ("theirs", "no_such_package.metric:Theirs"))
    with pytest.raises(MissingPackageError, match="pip install no_such_package"):
        get_metric("theirs")


def test_requirements_are_checked_when_constructed(monkeypatch):
    monkeypatch.setattr(Lpips, "requires", ("torchvision", "no_such_package"))
    with pytest.raises(MissingPackageError, match=r"metric lpips needs the package"):
        Lpips()


def test_a_metric_of_our_own_needs_little():
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


@pytest.fixture
def table(monkeypatch):
    """The metrics of this process, as they were afterwards."""
    monkeypatch.setattr(registry, "_REGISTERED", {})


@pytest.mark.usefixtures("table")
def test_registering():
    register(Brightness)
    assert get_metric("brightness") is Brightness
    assert list(metric_names()) == sorted(metric_names())
    assert "brightness" in metric_names()
    with pytest.raises(InputError, match=r"registered twice.*test_registry:Brightness; rename"):
        register(Brightness)
    with pytest.raises(InputError, match=r"registered twice: by accel_opt\.metrics\.ssim:Ssim"):
        register(Impostor)
    with pytest.raises(InputError, match="Nameless has no name"):
        register(Nameless)
    for no_metric in (int, Brightness(), "brightness"):
        with pytest.raises(InputError, match="no Metric"):
            register(no_metric)


@pytest.mark.usefixtures("table")
def test_an_entry_point_and_a_registered_class_of_one_name(monkeypatch):
    found_there(monkeypatch, ("brightness", "theirs:Brightness"))
    with pytest.raises(InputError, match="registered twice: by theirs:Brightness"):
        register(Brightness)


def test_weights_are_said_and_looked_for(monkeypatch, tmp_path):
    import torch
    from huggingface_hub import constants

    clip = get_metric("clip")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(clip_checkpoint, "open_clip_installed", lambda: False)
    assert "5.5 GB" in clip.weights
    assert get_metric("ssim").has_weights() is True
    assert clip.has_weights() is False
    assert Lpips.has_weights() is False
    folder = snapshot(tmp_path, clip_checkpoint.TRANSFORMERS_DEFAULT)
    (folder / "config.json").touch()
    (folder / "open_clip_model.safetensors").touch()
    assert clip.has_weights() is False, "open_clip's file is of no use to transformers"
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    index = {"weight_map": dict(zip("ab", shards, strict=True))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / shards[0]).touch()
    assert clip.has_weights() is False, "a shard is lacking"
    (folder / shards[1]).touch()
    assert clip.has_weights() is True
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth").touch()
    assert Lpips.has_weights() is True


def test_metrics_that_cannot_tell_of_their_weights(monkeypatch):
    monkeypatch.setattr(Brightness, "weights", "a lamp, 2 GB")
    assert Brightness.has_weights() is None


def snapshot(cache, source):
    """The folder of a repository in a hub's cache, as if something of it had been fetched."""
    repository = cache / f"models--{source.replace('/', '--')}"
    folder = repository / "snapshots" / ("a" * 40)
    folder.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    return folder
