import pytest

from accel_opt.core.errors import UnknownNameError
from accel_opt.pipelines import MODELS, find_model, scheduler_class_name


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("shapes", "shapes"),
        ("sd1.5", "SD1.5"),
        ("runwayml/stable-diffusion-v1-5", "SD1.5"),
        ("stable-diffusion-v1-5/stable-diffusion-v1-5", "SD1.5"),
        ("stabilityai/stable-diffusion-2-1", "SD2.1"),
        ("SDXL", "SDXL"),
        ("PixArt-α", "PixArt-α"),
        ("pixart-alpha", "PixArt-α"),
        ("PixArt-Σ", "PixArt-Σ"),
    ],
)
def test_names_and_aliases(name, model):
    assert find_model(name).name == model


def test_other_hub_ids_and_folders_pass(tmp_path):
    assert find_model("someone/their-model").source == "someone/their-model"
    (tmp_path / "model_index.json").write_text("{}")
    assert find_model(str(tmp_path)).kind == "folder"


def test_the_other_size_keeps_its_repository():
    model = find_model("PixArt-alpha/PixArt-XL-2-1024-MS")
    assert (model.name, model.resolution) == ("PixArt-α", 1024)


@pytest.mark.parametrize("name", ["SD1.6", "nothing", "a/b/c", "/", ""])
def test_unknown_models_list_the_known(name):
    with pytest.raises(UnknownNameError, match=r"SD1\.5"):
        find_model(name)


def test_a_folder_without_a_pipeline_says_so(tmp_path):
    with pytest.raises(UnknownNameError, match="model_index"):
        find_model(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "class_name"),
    [
        ("DDIM", "DDIMScheduler"),
        ("ddimscheduler", "DDIMScheduler"),
        ("DPM-Solver++", "DPMSolverMultistepScheduler"),
        ("UniPC", "UniPCMultistepScheduler"),
        ("UniPCMultistepScheduler", "UniPCMultistepScheduler"),
        ("SomeNewScheduler", "SomeNewScheduler"),
    ],
)
def test_schedulers(name, class_name):
    assert scheduler_class_name(name) == class_name


def test_unknown_scheduler():
    with pytest.raises(UnknownNameError, match="did you mean 'DDIM'"):
        scheduler_class_name("DDIN")


def test_aliases_name_one_model_each():
    names = [a.lower() for m in MODELS.values() for a in (m.name, m.source, *m.aliases) if a]
    assert len(names) == len(set(names))
