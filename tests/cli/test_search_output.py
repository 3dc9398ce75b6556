"""What a real search writes on both streams: the answer, and whole lines of ours alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

# Small, yet with everything: loading, trials, confirmation in a process of its own.
SMALL = ("--accelerators", "deepcache", "--trials", "2")
LOOSE = ("--max-score-loss", "0.3", "--study", "small")


@pytest.mark.slow
def test_both_streams_are_ours(tmp_path):
    command = [sys.executable, "-m", "accel_opt.cli.main", "search", *SMALL, *LOOSE]
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_VERBOSITY")}
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    lines = done.stderr.splitlines()
    strange = [line for line in lines if not re.match(r"\[ *\d+ s\] \S", line)]
    assert strange == []
    assert "\x1b" not in done.stderr + done.stdout
    assert any("confirming 1 of " in line for line in lines)
    assert "held-out prompts" in done.stdout
    assert "accel-opt search" in done.stdout  # the line to go on with
    assert len(done.stdout.splitlines()[0]) <= 120
