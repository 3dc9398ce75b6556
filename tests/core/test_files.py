import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel_opt.core.errors import InputError
from accel_opt.core.files import file_name, remove_litter, write_atomically


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "deep" / "file.json"
    write_atomically(path, "one")
    path.chmod(0o640)
    write_atomically(path, "zwölf\n")
    assert path.read_text(encoding="utf-8") == "zwölf\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file.json"
    write_atomically(path, "old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_litter_of_the_dead_goes_and_of_the_living_stays(tmp_path):
    path = tmp_path / "file.json"
    dead = tmp_path / ".accel_opt-file.json-999999999-abc"
    living = tmp_path / f".accel_opt-file.json-{os.getpid()}-abc"
    for left in (dead, living):
        left.touch()
    remove_litter(path)
    assert not dead.exists()
    assert living.exists()


def test_links_are_followed(tmp_path):
    target, link = tmp_path / "real.json", tmp_path / "link.json"
    write_atomically(target, "old")
    link.symlink_to(target)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_no_folder_there(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write"):
        write_atomically(tmp_path / "file" / "inside.json", "x")


@given(st.text())
def test_file_names_escape_from_nowhere(text):
    name = file_name(text)
    assert name
    assert "/" not in name
    assert name not in (".", "..")
    assert len(name) <= 120
