"""What a program is shown, which level is taken, what it costs."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from accel_opt.core.errors import InputError
from accel_opt.judge.sandbox import (
    Level,
    Policy,
    SandboxUnavailableError,
    available_levels,
    cgroup,
    choose_level,
    environment,
    levels,
    paths,
    run,
)
from accel_opt.judge.sandbox.stage import plan, seccomp


def test_the_plain_level_must_be_asked_for(monkeypatch, tmp_path):
    with pytest.raises(SandboxUnavailableError, match="--allow-unsandboxed"):
        run(["true"], tmp_path, Policy(level=Level.PROCESS))
    monkeypatch.setattr(levels, "_problem", lambda level: "" if level is Level.PROCESS else "no")
    with pytest.raises(SandboxUnavailableError, match=r"bwrap: no; .*--allow-unsandboxed"):
        choose_level(Policy())
    assert choose_level(Policy(allow_unsandboxed=True)) is Level.PROCESS
    with pytest.raises(SandboxUnavailableError, match="'bwrap' does not work here: no"):
        choose_level(Policy(level=Level.BWRAP, allow_unsandboxed=True))


def test_the_strongest_level_is_taken():
    working = [level for level, problem in available_levels().items() if not problem]
    assert choose_level(Policy(allow_unsandboxed=True)) is working[0]


def test_a_level_that_holds_nothing_is_found_out(monkeypatch):
    """Each level is tried before it is offered: one that lets a file be read is not."""
    monkeypatch.setattr(Level, "own_view", property(lambda self: False))
    from accel_opt.judge.sandbox.process import SandboxedProcess

    start_at = SandboxedProcess.start_at
    monkeypatch.setattr(SandboxedProcess, "start_at", lambda self, _: start_at(self, Level.PROCESS))
    monkeypatch.setattr(levels.shutil, "which", lambda name: name)
    levels._problem.cache_clear()
    try:
        assert levels._problem(Level.NAMESPACES) == "a file outside was read"
    finally:
        levels._problem.cache_clear()


def test_environment():
    outer = {
        "HF_TOKEN": "x",
        "LANG": "C.UTF-8",
        "HOME": "/home/somebody",
        "PATH": "/evil",
        "X": "y",
    }
    found = environment.scrubbed(
        Path("/own"), own_view=True, program="/opt/py/bin/python", extra=[("A", "b")], outer=outer
    )
    assert found["HOME"] == "/own"
    assert found["PATH"] == "/opt/py/bin:/usr/local/bin:/usr/bin:/bin"
    assert found["LANG"] == "C.UTF-8"
    assert found["A"] == "b"
    assert not {"HF_TOKEN", "X"} & set(found)


@pytest.mark.parametrize("name", ["HF_TOKEN", "my_secret", "OPENAI_API_KEY", "DB_PASSWORD"])
def test_secrets_are_refused(name):
    with pytest.raises(InputError, match="secret"):
        environment.scrubbed(Path("/own"), own_view=True, program="/x", extra=[(name, "x")])


def mounts(folder, *read_only):
    return paths.mounts(folder, read_only, (), 1 << 20)


def test_mounts(tmp_path):
    own, cache = tmp_path / "own", tmp_path / "cache"
    for folder in (own, cache / "deep"):
        folder.mkdir(parents=True)
    (tmp_path / "alias").symlink_to(cache)
    found = mounts(own, tmp_path / "alias", cache / "deep")
    assert (plan.WRITABLE, str(own), "") in found
    assert (plan.READ_ONLY, str(cache), "") in found
    assert (plan.LINK, str(tmp_path / "alias"), str(cache)) in found
    assert (plan.READ_ONLY, str(cache / "deep"), "") not in found, "its parent is shown"
    assert [kind for kind, *_ in found[:2]] == [plan.TMPFS, plan.TMPFS]
    shown = {path for _, path, _ in found}
    assert not shown & {"/", "/etc", "/home", "/root", "/var", "/etc/passwd", "/etc/shadow"}


@pytest.mark.parametrize("path", ["home", ".", "missing"])
def test_paths_that_are_refused(tmp_path, monkeypatch, path):
    (tmp_path / "home").mkdir()
    (tmp_path / "own").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(InputError):
        mounts(tmp_path / "own", tmp_path / path)


def test_a_cache_with_tokens_is_refused(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "huggingface").mkdir()
    (tmp_path / "huggingface" / "token").write_text("hf_x")
    with pytest.raises(InputError, match="hub"):
        mounts(tmp_path / "own", tmp_path / "huggingface")


def test_cgroup_on_a_made_up_hierarchy(tmp_path):
    """No delegated group can be counted on where tests run; the files are those of the kernel."""
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids")
    group = cgroup.make(tmp_path, 1 << 20, 10)
    assert group is not None
    assert (group.folder / "memory.max").read_text() == str(1 << 20)
    assert (group.folder / "memory.swap.max").read_text() == "0"
    assert (group.folder / "pids.max").read_text() == "14"
    assert not group.ran_out_of_memory()
    (group.folder / "memory.events").write_text("max 3\noom 1\noom_kill 1\n")
    assert group.ran_out_of_memory()
    (tmp_path / "cgroup.subtree_control").write_text("cpu")
    assert cgroup.make(tmp_path, 1, 1) is None
    assert cgroup.make(tmp_path / "none", 1, 1) is None


def test_filter_is_a_program_for_each_processor(monkeypatch):
    for machine in ("x86_64", "aarch64"):
        monkeypatch.setattr(seccomp.os, "uname", lambda m=machine: type("U", (), {"machine": m}))
        for own in (True, False):
            code = seccomp._program(own_view=own)
            assert all(len(op) == 8 for op in code)
            assert len(code) < 256, "jumps reach so far"


def test_the_stage_imports_little():
    """Its imports are most of the overhead."""
    stage = Path(paths.__file__).parent / "stage" / "__main__.py"
    for half in (["supervise", "99", "99", "99", "-1", "-1"], ["lockdown", "99"]):
        command = [sys.executable, "-I", "-S", "-X", "importtime", str(stage), *half]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "accel_opt.judge.sandbox.stage.lockdown" in imported
        slow = {"typing", "json", "re", "signal", "pathlib", "enum", "collections", "pydantic"}
        assert not slow & imported


def processor_time() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, kinds))


def test_overhead(tmp_path, level):
    """At most 100 ms above a plain start: by the clock on idle cores, else by processor time."""
    command = [sys.executable, "-I", "-S", "-c", "pass"]
    policy = Policy(level=level, allow_unsandboxed=True)
    clock = time.perf_counter if os.getloadavg()[0] < os.cpu_count() - 1 else processor_time
    plain, ours = [], []
    for _ in range(5):
        began = clock()
        subprocess.run(command, check=True)
        middle = clock()
        assert run(command, tmp_path, policy).ok
        plain.append(middle - began)
        ours.append(clock() - middle)
    assert min(ours) - min(plain) <= 0.1


def test_gpu_devices_are_devices():
    assert all(path.is_char_device() for path in paths.gpu_devices())
