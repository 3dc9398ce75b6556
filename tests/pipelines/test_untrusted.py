"""A model folder is data: nothing in it is run."""

import json
import shutil

import pytest
import torch

from accel_opt.core.errors import InputError
from accel_opt.pipelines.load import load_pipeline


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def pickled(folder, part, name, payload):
    """The part's checkpoint as a .bin in place of safetensors, with a payload if given."""
    from safetensors.torch import load_file

    (safe,) = (folder / part).glob("*.safetensors")
    state = load_file(safe)
    safe.unlink()
    if payload is not None:
        state["payload"] = payload
    torch.save(state, folder / part / name)


PARTS = [
    ("unet", "diffusion_pytorch_model.bin"),
    ("text_encoder", "pytorch_model.bin"),
]


@pytest.mark.parametrize(("part", "name"), PARTS)
def test_a_pickle_with_a_payload_is_refused_and_not_run(tiny_folders, tmp_path, part, name):
    folder = shutil.copytree(tiny_folders["sd"], tmp_path / "model")
    pickled(folder, part, name, Payload(tmp_path / "ran"))
    with pytest.raises(InputError, match=r"pickled checkpoint.*safetensors"):
        load_pipeline(str(folder))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("part", "name"), PARTS)
def test_a_pickle_of_tensors_loads(tiny_folders, tmp_path, part, name):
    folder = shutil.copytree(tiny_folders["sd"], tmp_path / "model")
    pickled(folder, part, name, None)
    assert load_pipeline(str(folder)).unet is not None


def test_safetensors_come_first(tiny_folders, tmp_path):
    folder = shutil.copytree(tiny_folders["sd"], tmp_path / "model")
    torch.save(Payload(tmp_path / "ran"), folder / "unet" / "diffusion_pytorch_model.bin")
    load_pipeline(str(folder))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("way", ["pipeline", "component"])
def test_code_in_the_folder_is_refused_and_not_run(tiny_folders, tmp_path, way):
    folder = shutil.copytree(tiny_folders["sd"], tmp_path / "model")
    code = f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Theirs: pass\n"
    index = json.loads((folder / "model_index.json").read_text())
    if way == "pipeline":
        (folder / "their_code.py").write_text(code)
        index["_class_name"] = ["their_code", "Theirs"]
    else:
        (folder / "unet" / "their_code.py").write_text(code)
        index["unet"] = ["their_code", "Theirs"]
    (folder / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(InputError):
        load_pipeline(str(folder))
    assert not (tmp_path / "ran").exists()
