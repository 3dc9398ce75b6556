"""The same as a user without rights: other ways lead into namespaces then."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "accel_opt"
ATTACKS = Path(__file__).parents[1] / "data" / "judge" / "attacks"
NOBODY = 61_183

SCRIPT = """
import dataclasses, json, os, subprocess, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from accel_opt.judge.sandbox import *
found = {"user": os.getuid(), "problems": available_levels()}
limits = Limits(wall_s=8, memory_mib=200, tasks=60, disk_mib=60, file_mib=32, temporary_mib=32)
victim = subprocess.Popen(["sleep", "60"], start_new_session=True)
about = {"yranac": "xyz-none", "home": sys.argv[3], "outside": sys.argv[3], "victim": victim.pid,
         "parent": os.getpid(), "name": "new", "system": ["/etc", "/var/tmp", "/opt"],
         "settings": ["/proc/sys/kernel/hostname"], "private": ["/etc/shadow"], "port": 9,
         "local": "/none", "abstract": "none"}
for level, problem in found["problems"].items():
    if problem or not level.isolates:
        continue
    for name in sys.argv[4].split(","):
        endless = name in {"fork_bomb", "ignore_signals"}
        policy = Policy(
            level=level, limits=dataclasses.replace(limits, wall_s=0.7 if endless else 8)
        )
        with tempfile.TemporaryDirectory() as own:
            Path(own, "a.py").write_text(Path(sys.argv[2], name + ".py").read_text())
            command = [sys.executable, "-I", "-S", "a.py", json.dumps(about)]
            result = run(command, Path(own), policy)
        found[f"{level} {name}"] = [result.ended, result.exit_code, result.leftovers,
                                    (result.stdout + result.stderr).decode()]
assert victim.poll() is None
victim.kill()
print(json.dumps(found))
"""


def python_for_others() -> str:
    for name in (sys.executable, "/usr/bin/python3"):
        if not (path := shutil.which(name)):
            continue
        ways = [*Path(path).resolve().parents, *PACKAGE.parents, *Path(path).parents]
        ask = "import sys; sys.exit(sys.version_info < (3, 11))"
        open_ways = all(p.stat().st_mode & stat.S_IXOTH for p in ways)
        if open_ways and subprocess.run([path, "-c", ask], check=False).returncode == 0:
            return path
    pytest.skip("no Python 3.11 that another user could start, or the package is out of its reach")


@pytest.mark.skipif(os.geteuid() != 0, reason="all other tests run without rights already")
def test_without_rights(tmp_path_factory):
    attacks = {
        "write_outside": "exit", "sockets": "exit", "kill_others": "exit",
        "regain_rights": "exit", "fork_bomb": "wall_time", "memory_bomb": "memory",
        "ignore_signals": "wall_time", "fill_disk_unlinked": "disk",
    }  # fmt: skip
    outside = Path("/tmp") / f"accel_opt-{os.getpid()}-outside"
    outside.mkdir(mode=0o700)
    try:
        (outside / "kept").write_text("kept")
        for path in (outside, outside / "kept"):
            os.chown(path, NOBODY, NOBODY)
        words = [str(PACKAGE.parent), str(ATTACKS), str(outside), ",".join(attacks)]
        done = subprocess.run(
            [python_for_others(), "-B", "-c", SCRIPT, *words],
            user=NOBODY, group=NOBODY, extra_groups=[], env={"PATH": os.environ["PATH"]},
            cwd="/", capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert [p.name for p in outside.iterdir()] == ["kept"]
        assert (outside / "kept").read_text() == "kept"
        assert stat.S_IMODE((outside / "kept").stat().st_mode) == 0o644
    finally:
        shutil.rmtree(outside)
    found = json.loads(done.stdout)
    assert found.pop("user") == NOBODY
    problems = found.pop("problems")
    if all(problems[level] for level in ("bwrap", "namespaces", "landlock")):
        pytest.skip(f"nothing isolates without rights here: {problems}")
    for name, (ended, _, leftovers, said) in found.items():
        assert "ESCAPED" not in said, (name, said)
        assert ended == attacks[name.split()[1]], (name, said)
        assert leftovers == 0
