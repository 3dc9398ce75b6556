from __future__ import annotations

import errno
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel_opt import results
from accel_opt.core.config import Config
from accel_opt.core.errors import CorruptFileError, InputError
from accel_opt.results.file import locked, updating


def test_an_old_file_is_read_whole(old_file):
    file = results.read(old_file)
    assert len(file.raw) == 9
    assert len(file.entries) == 6
    assert set(file.unread) == set(file.raw) - set(file.entries)
    combined = file.entries["('SD1.5', 'DDIMScheduler', '50', 'upbound_speedup', 0.02)"]
    assert combined.config.to_dict() == {
        "deepcache": {"cache_branch_id": 0, "cache_interval": 5},
        "tgate": {"fi_interval": 2, "gate_step": 10, "sp_interval": 5, "warmup": 2},
    }
    assert file.entries["('SD1.5', 'DDIMScheduler', '50', 3.04, 0.02)"].time == 1.1
    quoted = file.entries["('SD1.5', 'DDIMScheduler', '50', '3.04', 0.05)"]
    assert quoted.key.speedup == 3.04


def test_writing_keeps_every_byte_of_what_was_there(old_file, tmp_path, make_entry):
    path = tmp_path / "search_params.json"
    path.write_bytes(old_file.read_bytes())
    results.merge(path, [make_entry(searched=("deepcache", "tome"), target=2.5)])
    before, after = old_file.read_text(), path.read_text()
    assert after.startswith(before.rstrip("}\n "))
    assert r"PixArt-\u03b1" in after
    assert after == json.dumps(json.loads(after), indent=4)


def test_writing_keeps_the_order_and_what_nobody_understands(old_file, tmp_path, make_entry):
    path = tmp_path / "search_params.json"
    path.write_bytes(old_file.read_bytes())
    results.merge(path, [make_entry(9.0)], force=True)
    old, new = json.loads(old_file.read_text()), json.loads(path.read_text())
    assert list(new)[: len(old)] == list(old)
    assert new["comment"] == old["comment"]
    assert new["('SD1.5', 'DDIMScheduler')"] == {"broken": True}


@pytest.mark.parametrize(
    "content",
    [b"", b"  \n", b"{", b"[]", b"3", b"\xff\xfe", b'{"a": 1, "a": 2}', b"[" * 100_000],
)
def test_a_corrupt_file_is_never_overwritten(content, tmp_path, make_entry):
    path = tmp_path / "search_params.json"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match="left as it was"):
        results.merge(path, [make_entry()], force=True)
    assert path.read_bytes() == content


words = st.text(min_size=1, max_size=12)
numbers = st.floats(0.01, 100, allow_nan=False).map(lambda x: round(x, 2) or 0.01)


@given(
    data=st.data(),
    config=st.dictionaries(
        st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
        st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.integers() | numbers),
        min_size=1,
        max_size=3,
    ),
)
def test_any_entry_merged_into_any_file_is_read_back_equal(tmp_path, data, config):
    path = tmp_path / "p.json"
    others = data.draw(st.dictionaries(words, st.integers() | words | st.lists(words, max_size=2)))
    path.write_text(json.dumps(others))
    speedup = data.draw(numbers)
    key = results.EntryKey(
        data.draw(words),
        data.draw(words),
        data.draw(st.integers(1, 1000)),
        data.draw(st.none() | numbers),
        data.draw(st.floats(0, 1)),
        tuple(config),
    )
    entry = results.Entry(key, Config(config), speedup, data.draw(st.floats(-1, 1)))
    report = results.merge(path, [entry])
    read = results.read(path)
    assert read.entries[str(key)] == entry
    assert {name: read.raw[name] for name in others} == others
    assert all(read.entries[text].config == entry.config for text in report.written)
    assert read.entries[str(key.at(speedup))].speedup == speedup


def test_a_corrupt_file_is_moved_aside_when_asked(tmp_path, make_entry):
    path = tmp_path / "search_params.json"
    for number in (1, 2):
        path.write_text("{")
        assert results.set_aside(path) == tmp_path / f"search_params.json.corrupt-{number}"
    results.merge(path, [make_entry()])
    assert len(results.read(path).entries) == 3


def test_a_byte_order_mark_is_read_over(tmp_path):
    path = tmp_path / "p.json"
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert results.read(path).raw == {}


def test_a_missing_file_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(InputError, match="accel-opt export"):
        results.read(tmp_path / "none.json")


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, make_entry):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        results.merge(tmp_path / "file" / "p.json", [make_entry()])


def test_a_crash_in_mid_write_leaves_the_old_file(tmp_path, make_entry, monkeypatch):
    path = tmp_path / "p.json"
    results.merge(path, [make_entry()])
    before = path.read_bytes()

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        results.merge(path, [make_entry(5.0)])
    assert path.read_bytes() == before


def test_a_full_disk_leaves_the_old_file(tmp_path, make_entry, monkeypatch):
    path = tmp_path / "p.json"
    results.merge(path, [make_entry()])
    before = path.read_bytes()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device; the old file stands"):
        results.merge(path, [make_entry(5.0)])
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == [".p.json.lock", "p.json"]


def test_a_lock_that_is_kept_is_said(tmp_path, make_entry, monkeypatch):
    monkeypatch.setattr("accel_opt.results.file.LOCK_TIMEOUT_S", 0.05)
    with locked(tmp_path / "p.json"), pytest.raises(InputError, match="another process"):
        results.merge(tmp_path / "p.json", [make_entry()])


def test_a_file_in_another_layout_is_left_alone_when_nothing_changes(tmp_path, make_entry):
    path = tmp_path / "p.json"
    results.merge(path, [make_entry()])
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    before = path.read_bytes()
    with updating(path):
        pass
    assert path.read_bytes() == before


def test_a_link_keeps_pointing(tmp_path, make_entry):
    (tmp_path / "there").mkdir()
    link = tmp_path / "p.json"
    link.symlink_to(tmp_path / "there" / "p.json")
    results.merge(link, [make_entry()])
    assert link.is_symlink()
    assert len(results.read(tmp_path / "there" / "p.json").entries) == 3
