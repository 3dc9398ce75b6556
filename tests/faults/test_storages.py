"""Storages that are full, read-only, locked; a clock that goes backwards. Then: go on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest

from tests.faults.accounts import account, assert_sound

TRIALS = 30
FOLDER = "/tmp/accel_opt-small"


def sick(root, url, *sicknesses, before="", trials=TRIALS):
    """A search on a sick machine; what it told and how it ended."""
    command = [sys.executable, "-m", "tests.faults.sick", url, *sicknesses]
    if before:
        command = ["unshare", "-m", "sh", "-c", f'{before} && exec "$@"', "sh", *command]
    environment = {"TEST_TRIALS": str(trials), "TEST_SECONDS": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=root, env=os.environ | environment, capture_output=True, text=True,
        check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def polls(polled):
    """Polls of the dashboard, none of which failed."""
    assert polled.failures == []
    assert polled.polls
    return {"polls": polled.polls, "failed_polls": 0}


def can_mount():
    if not shutil.which("unshare"):
        return False
    command = ["unshare", "-m", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(params=["journal", "sqlite"])
def file_storage(request, tmp_path):
    if request.param == "journal":
        return f"journal:///{tmp_path / 'study.log'}"
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.mark.slow
def test_a_file_that_may_not_grow(file_storage, root, figures):
    # SQLite's empty tables alone take 115 kB.
    limit = "30000" if "journal" in file_storage else "160000"
    first = sick(root, file_storage, limit)
    assert "cannot write" in first["error"], first
    assert "run the same again" in first["error"]
    assert first["told"]
    before = account(file_storage, first["told"])
    second = sick(root, file_storage)
    state = account(file_storage, first["told"] + second["told"])
    figures(told_before=len(first["told"]), lost_before=before["lost"], **state)
    assert before["lost"] == 0
    assert state["completed"] == TRIALS
    assert second["error"] == ""
    assert_sound(state)


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="no mount in a name space of its own here")
def test_a_disk_that_is_full(root, tmp_path, figures):
    # Within one name space: a disk of 40 kB, a search, more room, the same search again.
    program = (
        "import json, subprocess, sys\n"
        "from tests.faults.sick import main\n"
        "url = sys.argv[1]\n"
        "main(url)\n"
        "subprocess.run(['mount', '-o', 'remount,size=20m', sys.argv[2]], check=True)\n"
        "main(url)\n"
        "import shutil; shutil.copy(sys.argv[2] + '/study.log', sys.argv[3])\n"
    )
    small = tmp_path / "small"
    small.mkdir()
    done = subprocess.run(
        [
            "unshare", "-m", "sh", "-c",
            f'mount -t tmpfs -o size=40k tmpfs {small} && exec "$@"', "sh",
            sys.executable, "-c", program, f"journal:///{small}/study.log", str(small),
            str(tmp_path / "kept.log"),
        ],
        cwd=root,
        env=os.environ | {"TEST_TRIALS": str(TRIALS), "TEST_SECONDS": "0", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert "No space left" in first["error"], first
    state = account(f"journal:///{tmp_path / 'kept.log'}", first["told"] + second["told"])
    figures(told_before=len(first["told"]), **state)
    assert first["told"]
    assert state["completed"] == TRIALS
    assert_sound(state)


@pytest.mark.slow
@pytest.mark.skipif(not can_mount(), reason="no mount in a name space of its own here")
def test_a_read_only_database(file_storage, root, tmp_path, figures, poller):
    part = sick(root, file_storage, trials=TRIALS // 2)
    assert part["error"] == ""
    mount = f"mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path}"
    with poller(file_storage) as polled:
        refused = sick(root, file_storage, before=mount)
        rest = sick(root, file_storage)
    assert "cannot write" in refused["error"]
    assert "--storage" in refused["error"]
    assert rest["error"] == ""
    state = account(file_storage, part["told"] + rest["told"])
    figures(told_before=len(part["told"]), **state, **polls(polled))
    assert state["completed"] == TRIALS
    assert_sound(state)


@pytest.mark.slow
def test_a_clock_that_is_set_back(storage, root, figures, poller):
    with poller(storage) as polled:
        told = sick(root, storage, "clock")
    state = account(storage, told["told"])
    figures(**state, **polls(polled))
    assert told["error"] == ""
    assert state["completed"] == TRIALS
    assert_sound(state)


def _hold(storage, held, release):
    """Holds what every writer needs."""
    if storage.startswith("journal"):
        import fcntl

        with open(storage.removeprefix("journal:///"), "ab") as file:  # noqa: PTH123
            fcntl.flock(file, fcntl.LOCK_EX)
            held.set()
            release.wait(30)
    else:
        import psycopg

        with psycopg.connect(storage) as connection:
            connection.execute("lock table trials in access exclusive mode")
            held.set()
            release.wait(30)


@pytest.mark.slow
def test_a_database_that_is_locked_for_a_while(storage, root, figures, poller):
    first = sick(root, storage)
    assert first["error"] == ""
    held, release = threading.Event(), threading.Event()
    holder = threading.Thread(target=_hold, args=(storage, held, release))
    holder.start()
    held.wait(30)
    timer = threading.Timer(8.0, release.set)
    timer.start()
    begun = time.monotonic()
    environment = {"TEST_TRIALS": str(TRIALS + 10), "TEST_SECONDS": "0", "OMP_NUM_THREADS": "1"}
    with poller(storage) as polled:
        done = subprocess.run(
            [sys.executable, "-m", "tests.faults.sick", storage],
            cwd=root, env=os.environ | environment, capture_output=True, text=True, check=False,
            timeout=240,
        )  # fmt: skip
    holder.join()
    timer.cancel()
    second = json.loads(done.stdout.splitlines()[-1])
    assert second["error"] == "", done.stderr[-1000:]
    state = account(storage, first["told"] + second["told"])
    figures(waited_s=round(time.monotonic() - begun, 1), **state, **polls(polled))
    assert state["completed"] == TRIALS + 10
    assert_sound(state)


def test_an_sqlite_file_that_stays_locked_is_said(tmp_path, monkeypatch):
    import sqlite3

    from accel_opt.core.errors import InputError
    from accel_opt.search import search, storage
    from tests.search.tables import evaluate, plan, space

    monkeypatch.setattr(storage, "_LOCK_TIMEOUT_S", 0.2)
    url = f"sqlite:///{tmp_path / 'study.db'}"
    search(space(), evaluate, plan(trials=2, confirm=False), storage=url)
    with sqlite3.connect(tmp_path / "study.db") as other:
        other.execute("begin exclusive")
        with pytest.raises(InputError, match="locked"):
            search(space(), evaluate, plan(trials=4, confirm=False), storage=url)
        other.rollback()
    result = search(space(), evaluate, plan(trials=4, confirm=False), storage=url)
    assert len(result.trials) == 4
