"""Exporters that are killed: whoever reads meanwhile sees whole files only."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from accel_opt import results

KILLS, READS = 80, 2000


@pytest.mark.slow
def test_killed_exporters_tear_nothing(tmp_path, root, figures):
    path = tmp_path / "search_params.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.exporters", str(path), str(KILLS), str(READS)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    figures(**found)
    assert found["kills"] >= KILLS
    assert found["reads"] >= READS
    assert (found["torn"], found["litter"]) == (0, 0)
    assert len(results.read(path).entries) == len(json.loads(path.read_text()))
