"""The example of a foreign metric: installed as any package, found, and held to the contract."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "third_party_metric"


def run(*command, site=None):
    environment = dict(os.environ)
    if site is not None:
        environment["PYTHONPATH"] = str(site)
    return subprocess.run(
        [sys.executable, *command],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("hatchling", reason="builds the example without the network")
    folder = tmp_path_factory.mktemp("site")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target")
    done = run("-m", "pip", "install", *options, str(folder), str(EXAMPLE))
    assert done.returncode == 0, done.stderr
    return folder


def test_it_is_found(site):
    code = (
        "import numpy, sys\n"
        "from accel_opt.metrics import get_metric, metric_names\n"
        "assert 'colourfulness' in metric_names()\n"
        "assert 'accel_opt_colourfulness' not in sys.modules\n"
        "grey = numpy.full((1, 8, 8, 3), 90, dtype='uint8')\n"
        "print(get_metric('colourfulness')().score(grey, ['grey']))"
    )
    done = run("-c", code, site=site)
    assert done.stdout.strip() == "(0.0,)", done.stderr


def test_it_keeps_the_contract(site):
    options = ("-q", "-p", "no:cacheprovider", "-k", "colourfulness")
    done = run("-m", "pytest", *options, "tests/metrics/test_contract.py", site=site)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
