"""The extra `clip` in an environment of its own: beside a CPU torch, torchvision breaks ours.

`ACCEL_OPT_CLIP_SITE` names a folder into which open_clip_torch, torchvision, timm and ftfy were
installed (`pip install --no-deps --target`); without it, they are installed into a temporary one.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

PACKAGES = ("torchvision==0.28.0", "open_clip_torch==3.3.0", "timm==1.0.31", "ftfy", "wcwidth")
CASES = Path(__file__).with_name("open_clip_cases.py")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    given = os.environ.get("ACCEL_OPT_CLIP_SITE")
    if given:
        return given
    folder = str(tmp_path_factory.mktemp("clip-site"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
    done = subprocess.run([*command, *PACKAGES], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"the extra cannot be installed here: {done.stderr[-300:]}")
    return folder


def run(site, tmp_path, *command):
    # An address that nothing listens on stands for a hub that is away.
    environment = os.environ | {
        "PYTHONPATH": str(site),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "TORCH_HOME": str(tmp_path / "torch"),
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("HF_HUB_OFFLINE", None)
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False
    )


def test_cases(site, tmp_path):
    done = run(site, tmp_path, str(CASES), str(tmp_path))
    assert done.stdout.endswith("all cases passed\n"), done.stderr[-3000:]


@pytest.mark.skipif(torch.version.cuda is not None, reason="torchvision is sound beside CUDA")
def test_a_torchvision_that_does_not_load_is_told_in_one_line(site, tmp_path):
    code = (
        "from accel_opt.core.errors import InputError\n"
        "from accel_opt.metrics.clip_score import ClipScore\n"
        "from accel_opt.pipelines.load import load_pipeline\n"
        "calls = (\n"
        "    lambda: load_pipeline('SD1.5', weights='random'),\n"
        f"    lambda: ClipScore({str(tmp_path)!r}),\n"
        "    lambda: ClipScore('open_clip:ViT-B-32/openai'),\n"
        ")\n"
        "for call in calls:\n"
        "    try: call()\n"
        "    except InputError as error: print(error)\n"
    )
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    done = run(site, tmp_path, "-c", code)
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stdout + done.stderr
    assert all(line.startswith("torchvision is installed but does not load") for line in lines)
