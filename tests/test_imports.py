"""What is heavy is imported on use."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "diffusers", "transformers", "optuna", "open_clip", "datasets", "scipy")


def modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.strip().splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import accel_opt",
        "import accel_opt.core.spec, accel_opt.pipelines, accel_opt.prompts, accel_opt.metrics",
        "import accel_opt.results, accel_opt.accelerators.registry",
        (
            "import accel_opt.cli.main as m\n"
            "try: m.main(['--help'])\nexcept SystemExit as e: assert e.code == 0"
        ),
    ],
    ids=["package", "light rooms", "results", "help"],
)
def test_light_imports(code):
    loaded = modules_after(code)
    assert not loaded & set(HEAVY)
