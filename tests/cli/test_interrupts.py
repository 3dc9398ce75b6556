"""What a signal makes of a command."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from accel_opt.cli import interrupts


@pytest.fixture
def listening():
    kept = {signum: signal.getsignal(signum) for signum in interrupts._SIGNALS}
    interrupts.listen()
    yield
    for signum, handler in kept.items():
        signal.signal(signum, handler)
    interrupts._asked.clear()


class Collected:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("listening")
def test_what_python_drops_is_raised_at_the_next_event():
    interrupts.check()
    assert interrupts.asked() is None
    thing = Collected()
    del thing
    with pytest.raises(KeyboardInterrupt):
        interrupts.check()
    assert interrupts.asked() == signal.SIGINT


def catches(pid, signum):
    """Whether a process has a handler for a signal."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (signum - 1) & 1)
    return False


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_ends_a_command_with_words_and_status(tmp_path, name, status):
    process = subprocess.Popen(
        [sys.executable, "-m", "accel_opt.cli.main", "search", "--json", "--steps", "7"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        while not catches(process.pid, signal.SIGTERM):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=60)
    assert process.returncode == status, err
    assert "interrupted; what was told is saved; go on: accel-opt search" in err
    assert json.loads(out)["error"].endswith("go on: accel-opt search --json --steps 7")
    assert json.loads(out)["status"] == status


def test_what_nohup_ignores_stays_ignored(tmp_path):
    code = (
        "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "from accel_opt.cli import interrupts; interrupts.listen()\n"
        "signal.raise_signal(signal.SIGHUP); print(interrupts.asked())"
    )
    with contextlib.chdir(tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
        )
    assert done.stdout.strip() == "None"
