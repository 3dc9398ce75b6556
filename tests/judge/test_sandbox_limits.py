"""Attacks on the limits: these hold at every level, the plain one too."""

import dataclasses
import os
import subprocess
import time
from pathlib import Path

import pytest

from accel_opt.judge.sandbox import Ended, Level, Limits, Policy, SandboxedProcess, run

SMALL = Limits(
    wall_s=8, memory_mib=300, tasks=60, file_mib=32, disk_mib=100, files=500, temporary_mib=64
)
SHORT = dataclasses.replace(SMALL, wall_s=0.7)
_MIB = 1 << 20


@pytest.mark.parametrize("name", ["endless_loop", "ignore_signals", "close_output"])
def test_wall_clock(arena, level, name):
    started = time.monotonic()
    result = arena.attack(name, level, SHORT)
    assert result.ended is Ended.WALL_TIME
    assert result.exit_code is None
    assert 0.7 <= result.usage.wall_s < 2.7
    assert time.monotonic() - started < 0.7 + 2 + 1  # with the second that they may take to go


@pytest.mark.parametrize("name", ["fork_bomb", "fork_tree"])
def test_tasks(arena, level, name):
    limits = dataclasses.replace(SMALL, wall_s=1)
    result = arena.attack(name, level, limits)
    # Root is exempt from the kernel's limit: the watchdog sees it, a twentieth of a second later.
    if os.geteuid() == 0 and not result.enforced.own_user:
        assert result.ended is Ended.TASKS
    else:
        assert result.usage.peak_tasks <= 60 + 3
        assert name != "fork_bomb" or int(result.stdout) < 60


@pytest.mark.parametrize("name", ["memory_bomb", "memory_of_children", "memory_files"])
def test_memory(arena, level, name):
    result = arena.attack(name, level)
    assert b"ESCAPED" not in result.stdout
    assert result.ended in {Ended.MEMORY, Ended.DISK}
    assert result.usage.peak_memory_mib < 2000


def test_shared_pages_count_once(arena, level):
    """Eight children that share 100 MB use 100 MB, not 800."""
    code = "import os, time\nheld = bytearray(100 << 20)\n"
    code += (
        "for _ in range(7):\n    if os.fork() == 0:\n        time.sleep(0.5)\n        os._exit(0)\n"
    )
    code += "time.sleep(0.6)"
    policy = Policy(level=level, allow_unsandboxed=True, limits=SMALL)
    result = run([*arena.command("exit_early")[:3], "-c", code], arena.own, policy)
    assert result.ok, result


@pytest.mark.parametrize("name", ["fill_disk", "fill_disk_unlinked", "many_files", "large_file"])
def test_disk(arena, level, name):
    result = arena.attack(name, level)
    assert b"ESCAPED" not in result.stdout
    written = sum(f.stat().st_blocks * 512 for f in arena.own.rglob("*") if f.is_file())
    assert written < 600 * _MIB
    if name == "large_file":
        assert result.ended is Ended.EXIT
        assert written <= 33 * _MIB
    else:
        assert result.ended is Ended.DISK


def test_folders_too_deep_to_look_into(arena, level):
    result = arena.attack("deep_folders", level)
    # Before anything walks through them, as Python's tools fail in such depth.
    subprocess.run(["rm", "-rf", *arena.own.iterdir()], check=True)
    assert result.ended is Ended.DISK
    assert b"ESCAPED" not in result.stdout


def test_output(arena, level):
    result = arena.attack("much_output", level)
    assert result.ended is Ended.OUTPUT
    assert result.truncated
    assert len(result.stdout) + len(result.stderr) == 10_000_000


@pytest.mark.parametrize("how", ["fork", "exec"])
def test_daemon(arena, level, how):
    result = arena.attack("daemon", level, SMALL, how)
    assert result.ended is Ended.EXIT
    assert result.stdout == b"done\n"


def test_early_exit(arena, level):
    result = arena.attack("exit_early", level)
    assert result.ok
    assert result.stdout == b""


def test_forged_result(arena, level):
    result = arena.attack("fake_result", level)
    assert result.ended is Ended.EXIT
    assert result.exit_code == 3
    assert result.usage.wall_s > 0.001


def test_killed_supervisor(arena, level):
    """Where the program can reach its supervisor, both end; nothing is won by it."""
    result = arena.attack("kill_supervisor", level, SHORT)
    if level is Level.PROCESS and not result.enforced.own_user:
        assert result.ended is Ended.LOST
    else:
        assert not result.ok
    arena.assert_untouched()


def test_death_of_the_parent(arena, level):
    """Our own death ends the sandbox within a second."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        policy = Policy(level=level, allow_unsandboxed=True)
        SandboxedProcess(arena.command("ignore_signals"), arena.own, policy).start()
        os.write(writing, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(reading, 1)
    os.kill(child, 9)
    os.waitpid(child, 0)
    arena.assert_nothing_left()


def test_cpu_time_and_memory_are_reported(arena, level):
    code = "x = bytearray(80 << 20)\nimport time\nt = time.process_time()\n"
    code += "while time.process_time() < t + 0.2: pass"
    policy = Policy(level=level, allow_unsandboxed=True)
    result = run([*arena.command("exit_early")[:3], "-c", code], arena.own, policy)
    assert result.usage.cpu_s is not None
    assert 0.2 <= result.usage.cpu_s < 2
    assert 80 <= result.usage.peak_memory_mib < 200
    assert Path(arena.own).exists()
