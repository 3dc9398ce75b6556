"""Journal and PostgreSQL: opened, half lines mended, refused in one line, secrets masked."""

from __future__ import annotations

import json

import optuna
import pytest

from accel_opt.core.command import resume_command
from accel_opt.core.errors import CorruptFileError, InputError, MissingPackageError
from accel_opt.core.secrets import masked, without_password
from accel_opt.core.spec import make_spec
from accel_opt.search import search
from accel_opt.search.storage import check_shareable, default_storage, open_storage
from accel_opt.search.workers.upgrade import SET_ASIDE, upgrade
from tests.search.tables import evaluate, plan, space, summary
from tests.workers.postgres import PASSWORD

PLAN = plan(trials=5, confirm=False)


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("postgresql://me:pw@host/db", "postgresql://me@host/db"),
        ("postgresql://me:p@ss/w:x@host:5432/db", "postgresql://me@host:5432/db"),
        ("postgresql://me@host/db?password=pw&sslmode=require",
         "postgresql://me@host/db?sslmode=require"),
        ("postgresql:///db?host=/tmp&user=me", "postgresql:///db?host=/tmp&user=me"),
        ("sqlite:////tmp/a@b:c.db", "sqlite:////tmp/a@b:c.db"),
        ("journal:///studies/x@y.log", "journal:///studies/x@y.log"),
    ],
)  # fmt: skip
def test_passwords_are_masked_and_left_out(url, bare):
    assert without_password(url) == bare
    assert masked(bare) == bare
    for secret in ("pw", "p@ss"):
        assert secret not in masked(url)


def test_no_dump_of_a_spec_has_the_password():
    url = f"postgresql://me:{PASSWORD}@host/db"
    spec = make_spec(storage=url, workers=2)
    assert spec.storage == url
    assert PASSWORD not in spec.model_dump_json()
    assert PASSWORD not in str(spec.model_dump())
    assert PASSWORD not in repr(spec)
    assert "--storage postgresql://me@host/db" in resume_command(spec)


def test_a_server_that_is_not_there_is_said_without_the_password():
    with pytest.raises(InputError) as refused:
        open_storage(f"postgresql://me:{PASSWORD}@127.0.0.1:1/db")
    assert PASSWORD not in str(refused.value)
    assert "127.0.0.1" in str(refused.value)


def test_a_wrong_password_is_said_without_it(cluster):
    url = cluster.url("secret").replace(PASSWORD, "wrong-one")
    with pytest.raises(InputError, match="password authentication failed") as refused:
        open_storage(url)
    assert "wrong-one" not in str(refused.value)


def test_nothing_that_a_search_keeps_has_the_password(cluster, capfd):
    url = cluster.url("kept")
    said = []
    result = search(space(), evaluate, PLAN, storage=url, on_event=said.append)
    everything = json.dumps(
        [result.study.user_attrs, result.study._storage.get_study_system_attrs(1)]
        + [[t.user_attrs, t.system_attrs] for t in result.study.trials]
    )
    out, err = capfd.readouterr()
    for text in (everything, str(said), out, err):
        assert PASSWORD not in text


def test_without_the_driver_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingPackageError, match=r"accel_opt\[postgres\]"):
        open_storage("postgresql://me@127.0.0.1:1/db")


def test_sqlite_is_refused_for_several_workers_and_nothing_else_is():
    for url in ("journal:///x.log", "postgresql://me@host/db"):
        check_shareable(url, 8)
    check_shareable("sqlite:///x.db", 1)
    with pytest.raises(InputError, match="cannot be shared by 8 workers"):
        check_shareable("sqlite:///x.db", 8)


def test_half_a_line_is_taken_back_before_the_next(journal, tmp_path):
    search(space(), evaluate, PLAN, storage=journal)
    path = tmp_path / "study.log"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":8,"trial_id":3,"user_at')
    result = search(space(), evaluate, plan(trials=7, confirm=False), storage=journal)
    assert len(result.trials) == 7
    for line in path.read_text().splitlines():
        json.loads(line)
    again = optuna.load_study(study_name="search", storage=open_storage(journal))
    assert len(again.trials) == 7


@pytest.mark.parametrize("content", [b"hello\n", b"\x89PNG\r\n", b'{"a": 1}\n'])
def test_what_is_no_journal_is_left_as_it_is(tmp_path, content):
    path = tmp_path / "notes.log"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match="left as it is"):
        open_storage(f"journal:///{path}")
    assert path.read_bytes() == content


def test_a_study_of_one_process_goes_on_with_several(tmp_path):
    old = default_storage(tmp_path)
    assert old.endswith("study.db")
    alone = search(space(), evaluate, PLAN, storage=old)
    new = default_storage(tmp_path, workers=4)
    assert upgrade(tmp_path / "study.db", tmp_path / "study.log")
    assert not upgrade(tmp_path / "study.db", tmp_path / "study.log")
    assert (tmp_path / f"study.db{SET_ASIDE}").exists()
    assert default_storage(tmp_path) == new
    again = search(space(), evaluate, PLAN, storage=new)
    assert summary(again) == summary(alone)
    more = search(space(), evaluate, plan(trials=8, confirm=False), storage=new)
    assert summary(more)[:5] == summary(alone)
    assert len(more.trials) == 8


def test_trials_in_postgresql_read_as_optuna_reads_them(cluster):
    """What single statements write and read is what Optuna's own storage reads."""
    url = cluster.url("alike")
    search(space(), evaluate, PLAN, storage=url)
    plain = optuna.storages.RDBStorage(url.replace("postgresql", "postgresql+psycopg", 1))
    ours = open_storage(url)
    theirs = optuna.load_study(study_name="search", storage=plain).get_trials()
    mine = optuna.load_study(study_name="search", storage=ours).get_trials()
    assert mine == theirs
    assert len(mine) == 5


def test_nothing_that_the_command_line_prints_has_the_password(capsys):
    from accel_opt.cli.search_result import as_document, print_result
    from accel_opt.facade import main_job

    spec = make_spec(storage=f"postgresql://me:{PASSWORD}@host/db", study="s", out=".")
    found = search(space(), evaluate, PLAN)
    outcome = main_job.Outcome(spec, {"device": "x"}, found, None, None, (), resume_command(spec))
    print_result(outcome)
    said = capsys.readouterr().out + json.dumps(as_document(outcome), default=str)
    assert "postgresql://me@host/db" in said
    assert PASSWORD not in said


def test_an_interrupt_after_the_last_byte_takes_nothing_back(journal, tmp_path, monkeypatch):
    """Others may have read the lines already; taking them back would make two histories."""
    import os

    from accel_opt.search.journal import JournalFile

    file = JournalFile(tmp_path / "study.log")
    file.append_logs([{"a": 1}])

    def interrupted(number):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        file.append_logs([{"b": 2}, {"c": 3}])
    assert list(file.read_logs(0)) == [{"a": 1}, {"b": 2}, {"c": 3}]


def test_what_does_not_fit_is_left_out_line_by_line(tmp_path, monkeypatch):
    from accel_opt.search import journal

    file = journal.JournalFile(tmp_path / "study.log")

    def full(opened, content):
        opened.write(content[:12])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "_write_all", full)
    with pytest.raises(OSError, match="No space"):
        file.append_logs([{"a": 1}, {"b": 2}, {"c": 3}])
    monkeypatch.undo()
    assert list(file.read_logs(0)) == [{"a": 1}]
    file.append_logs([{"d": 4}])
    assert list(file.read_logs(0)) == [{"a": 1}, {"d": 4}]
