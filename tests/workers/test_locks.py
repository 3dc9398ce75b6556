"""The step's lock: one at a time, freed by death, and known to be broken."""

from __future__ import annotations

import os
import signal
import threading
import time

import optuna
import pytest

from accel_opt.search.locks import AdvisoryLock, FileLock, NoLock, lock_of
from accel_opt.search.storage import open_storage


def fork_holder(storage, name):
    """A process that takes the lock and is killed holding it."""
    inward, outward = os.pipe()
    pid = os.fork()
    if pid == 0:
        study = optuna.create_study(
            study_name=name, storage=open_storage(storage), load_if_exists=True
        )
        with lock_of(study):
            os.write(outward, b"held")
            time.sleep(60)
        os._exit(0)
    os.close(outward)
    assert os.read(inward, 4) == b"held"
    os.close(inward)
    return pid


def test_every_storage_has_its_lock(storage):
    study = optuna.create_study(study_name="a", storage=open_storage(storage))
    kind = FileLock if storage.startswith("journal") else AdvisoryLock
    assert isinstance(lock_of(study), kind)
    assert isinstance(lock_of(optuna.create_study()), NoLock)


def test_death_frees_it(storage):
    pid = fork_holder(storage, "a")
    study = optuna.load_study(study_name="a", storage=open_storage(storage))
    got = []

    def take():
        with lock_of(study) as lock:
            got.append(lock.held())

    waiter = threading.Thread(target=take)
    waiter.start()
    time.sleep(0.3)
    assert got == []
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    waiter.join(30)
    assert got == [True]


def test_two_studies_do_not_wait_for_each_other(cluster):
    url = cluster.url("two")
    storage = open_storage(url)
    a = optuna.create_study(study_name="a", storage=storage)
    b = optuna.create_study(study_name="b", storage=storage)
    with lock_of(a) as first, lock_of(b) as second:
        assert (first.held(), second.held()) == (True, True)


@pytest.mark.slow
def test_a_restarted_server_breaks_it_and_that_is_known(cluster):
    url = cluster.url("broken")
    study = optuna.create_study(study_name="a", storage=open_storage(url))
    lock = lock_of(study)
    with lock:
        assert lock.held()
        cluster.restart(0.2)
        assert not lock.held()
    with lock:
        assert lock.held()
