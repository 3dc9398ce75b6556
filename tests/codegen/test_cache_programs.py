"""Programs with diffusers' caches: formatted, sorted, typed, and on public packages alone.

That they give the images of `apply` the contract suite checks, on every kind of pipeline.
"""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from accel_opt.codegen import generate_code
from accel_opt.core.config import Config
from accel_opt.results import Entry, EntryKey

SETTINGS = {
    "pab": {"self_broadcast": 2, "cross_broadcast": 6, "broadcast_start": 0.2},
    "first_block_cache": {"residual_threshold": 0.08},
    "faster_cache": {"uncond_interval": 5, "attention_interval": 2, "guess_start": 0.3},
    "mag_cache": {"magnitude_threshold": 0.24, "max_skipped": 5},
    "taylorseer": {"taylor_interval": 5, "taylor_warmup": 3, "taylor_order": 1},
    "tome": {"ratio": 0.5, "max_downsample": 1},
    "cfg_cutoff": {"cutoff_step": 10},
}
CASES = [
    ("SD1.5", ("pab",)),
    ("PixArt-α", ("pab",)),
    ("SDXL", ("taylorseer",)),
    ("PixArt-α", ("first_block_cache",)),
    ("PixArt-α", ("faster_cache",)),
    ("PixArt-α", ("cfg_cutoff", "pab", "tome")),
    ("me/flux", ("mag_cache",)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("programs")
    for number, (model, names) in enumerate(CASES):
        key = EntryKey(model, "DDIMScheduler", 50, None, 0.02, names)
        provenance = {"pipeline": "FluxPipeline"} if "flux" in model else None
        config = Config({name: SETTINGS[name] for name in names})
        source = generate_code(Entry(key, config, 2.0, 0.01, 0.5, 0.5, provenance))
        (place / f"program_{number}.py").write_text(source, encoding="utf-8")
    return place


def run(folder, *command):
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_checkers_find_nothing(folder):
    run(folder, "ruff", "check", "--isolated", "--no-cache", ".")
    run(folder, "ruff", "format", "--isolated", "--no-cache", "--line-length=100", "--diff", ".")
    run(folder, "ruff", "format", "--isolated", "--no-cache", "--diff", "program_0.py")


def test_only_public_packages(folder):
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.module.partition(".")[0] != "accel_opt"


def test_texts_of_pixart_are_not_cleaned(folder):
    for number, (model, _) in enumerate(CASES):
        source = (folder / f"program_{number}.py").read_text("utf-8")
        assert ("clean_caption=False" in source) == model.startswith("PixArt")
