"""A place outside the sandbox that must stay as it is, and a way to run attacks against it."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from accel_opt.judge.sandbox import LEVELS, Level, Limits, Policy, Result, available_levels, run

ATTACKS = Path(__file__).parents[1] / "data" / "judge" / "attacks"
PACKAGE = Path(__file__).parents[2] / "accel_opt"
CANARY = "canary-5d1f0c"  # spelt backwards to the attack, so that it finds no other
# Where attacks on the machine itself aim; see `test_attacks_are_real`, which leaves them out.
SYSTEM = [
    "/", "/etc", "/usr/lib", "/var/tmp", "/opt", "/run", "/dev", "/sys", "/proc/sys/kernel",
    sys.prefix, str(PACKAGE),
]  # fmt: skip
SETTINGS = ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger"]
PRIVATE = ["/etc/shadow", "/proc/kcore", "/dev/mem"]
SMALL = Limits(
    wall_s=8, memory_mib=300, tasks=60, file_mib=32, disk_mib=100, files=500, temporary_mib=64
)


def needs(level: Level) -> Level:
    problem = available_levels()[level]
    if problem:
        pytest.skip(f"level {level} does not work here: {problem}")
    return level


@pytest.fixture(params=LEVELS, ids=str)
def level(request):
    return needs(request.param)


@pytest.fixture(params=[level for level in LEVELS if level.isolates], ids=str)
def isolating(request):
    return needs(request.param)


def processes_with(text: str) -> list[str]:
    """Command lines of the processes that name `text`, among all that we can see."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if entry.name.isdigit() and text in line:
                found.append(line)
    return found


@dataclass
class Arena:
    """Where attacks run: `own` is the sandbox's, all else must stay as it is."""

    root: Path
    own: Path
    about: dict[str, object]
    connections: list[socket.socket]
    victim: subprocess.Popen[bytes]

    def command(self, name: str, *words: str) -> list[str]:
        (self.own / "attack.py").write_text((ATTACKS / f"{name}.py").read_text())
        path = str(self.own / "attack.py")
        return [sys.executable, "-I", "-S", path, json.dumps(self.about), *words]

    def attack(self, name: str, level: Level, limits: Limits = SMALL, *words: str) -> Result:
        policy = Policy(level=level, allow_unsandboxed=True, limits=limits)
        started = time.monotonic()
        result = run(self.command(name, *words), self.own, policy)
        # Whatever happens, the limit holds and nothing is left a second later.
        assert time.monotonic() - started < limits.wall_s + 2
        assert result.usage.wall_s < limits.wall_s + 1
        assert result.leftovers == 0
        self.assert_nothing_left()
        assert result.enforced.level is level
        assert len(result.stdout) + len(result.stderr) <= limits.output_bytes
        return result

    def assert_nothing_left(self) -> None:
        deadline = time.monotonic() + 1
        while left := processes_with(str(self.own)):
            assert time.monotonic() < deadline, left
            time.sleep(0.02)

    def assert_untouched(self) -> None:
        outside = self.root / "outside"
        assert {p.name for p in self.root.iterdir()} == {"home", "outside", "own"}
        assert not Path("/tmp", str(self.about["name"])).exists()
        assert {p.name for p in outside.iterdir()} == {"kept", "local", "secret"}
        assert (outside / "kept").stat().st_mode & 0o777 == 0o644
        assert (outside / "kept").stat().st_mtime > 1000
        assert (outside / "kept").read_text() == "kept"
        assert [p.name for p in (self.root / "home").iterdir()] == [".ssh"]
        assert self.victim.poll() is None
        for server in self.connections:
            with pytest.raises(BlockingIOError):
                server.accept()


@pytest.fixture
def arena(tmp_path, monkeypatch):
    home, outside, own = (tmp_path / name for name in ("home", "outside", "own"))
    for folder in (home / ".ssh", outside, own):
        folder.mkdir(parents=True)
    (home / ".ssh" / "id_ed25519").write_text(CANARY)
    (outside / "secret").write_text(CANARY)
    (outside / "kept").write_text("kept")
    monkeypatch.setenv("HOME", str(home))
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "HUGGING_FACE_HUB_TOKEN", "INNOCENT"):
        monkeypatch.setenv(name, CANARY)
    abstract = f"accel_opt-{os.getpid()}"
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        local = stack.enter_context(socket.socket(socket.AF_UNIX))
        # A socket's address has 108 bytes at most; tmp_path may be longer.
        monkeypatch.chdir(outside)
        local.bind("local")
        hidden = stack.enter_context(socket.socket(socket.AF_UNIX))
        hidden.bind("\0" + abstract)
        for listening in (server, local, hidden):
            listening.listen()
            listening.setblocking(False)
        victim = stack.enter_context(subprocess.Popen(["sleep", "600"], start_new_session=True))
        stack.callback(victim.kill)
        about = {
            "home": str(home), "outside": str(outside), "name": f"accel_opt-{os.getpid()}",
            "yranac": CANARY[::-1], "port": server.getsockname()[1],
            "local": str(outside / "local"), "abstract": abstract, "victim": victim.pid,
            "parent": os.getpid(), "system": SYSTEM, "settings": SETTINGS, "private": PRIVATE,
            "beyond": "192.0.2.1",
        }  # fmt: skip
        yield Arena(tmp_path, own, about, [server, local, hidden], victim)
