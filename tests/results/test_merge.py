from __future__ import annotations

import dataclasses
import json

import pytest

from accel_opt import results
from accel_opt.core.errors import ExportRefusedError

FIVE = "('SD1.5', 'DDIMScheduler', '50', 'upbound_speedup', 0.02)"


def six(speedup, *targets):
    return f"('SD1.5', 'DDIMScheduler', '50', {speedup}, 0.02, {list(targets)})"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "search_params.json"


def speedups(path):
    return {text: value["speedup"] for text, value in json.loads(path.read_text()).items()}


def test_a_result_stands_under_all_its_keys(path, make_entry):
    report = results.merge(path, [make_entry(3.014)])
    expected = [six(None, "deepcache"), six(3.01, "deepcache"), FIVE]
    assert list(json.loads(path.read_text())) == expected
    assert report.written == expected


def test_old_readers_find_the_fastest_target_set(path, make_entry):
    results.merge(path, [make_entry(3.0), make_entry(2.0, searched=("tome",))])
    assert speedups(path)[FIVE] == 3.0
    results.merge(path, [make_entry(4.0, searched=("deepcache", "tome"))])
    assert speedups(path)[FIVE] == 4.0


def test_only_a_faster_confirmed_entry_replaces(path, make_entry):
    results.merge(path, [make_entry(3.0)])
    assert results.merge(path, [make_entry(2.5)]).written == []
    report = results.merge(path, [make_entry(3.5, confirmed=False)])
    assert "not confirmed" in report.kept[six(None, "deepcache")]
    assert speedups(path)[six(None, "deepcache")] == 3.0
    results.merge(path, [make_entry(3.5)])
    assert speedups(path)[six(None, "deepcache")] == 3.5


def test_stale_aliases_go(path, make_entry):
    results.merge(path, [make_entry(3.0)])
    report = results.merge(path, [make_entry(3.5)])
    assert report.removed == [six(3.0, "deepcache")]
    assert speedups(path) == {
        six(None, "deepcache"): 3.5,
        FIVE: 3.5,
        six(3.5, "deepcache"): 3.5,
    }


def test_an_alias_that_another_answer_needs_stays(path, make_entry):
    results.merge(path, [make_entry(3.0), make_entry(3.0, target=2.5)])
    results.merge(path, [make_entry(3.5)])
    assert speedups(path)[six(3.0, "deepcache")] == 3.0
    assert speedups(path)[six(2.5, "deepcache")] == 3.0


def test_a_required_speedup_met_exactly_is_one_key(path, make_entry):
    results.merge(path, [make_entry(3.0, target=3.0)])
    assert set(speedups(path)) == {six(3.0, "deepcache"), FIVE}


def test_the_old_required_time_stands_under_its_achieved_speedup_alone(path, make_entry):
    results.merge(path, [make_entry(3.014, latency_s=1.5)])
    assert set(speedups(path)) == {six(3.01, "deepcache")}
    with pytest.raises(results.MissingEntryError):
        results.lookup(path, model="SD1.5", scheduler="DDIM", steps=50)
    assert results.lookup(path, model="SD1.5", scheduler="DDIM", steps=50, speedup=3.01)
    # Of another search it takes no place, however fast it is.
    results.merge(path, [make_entry(2.0)])
    assert speedups(path)[FIVE] == 2.0
    results.merge(path, [make_entry(3.014, latency_s=1.5)], force=True)
    assert speedups(path)[FIVE] == 2.0
    other = path.with_name("other.json")
    results.merge(other, results.primary_entries(results.read(path)))
    assert speedups(other) == speedups(path)


def test_force_replaces_by_a_slower_one_and_mends_the_aliases(path, make_entry):
    results.merge(path, [make_entry(4.0), make_entry(3.0, searched=("tome",))])
    results.merge(path, [make_entry(2.0, confirmed=False)], force=True)
    assert speedups(path) == {
        six(None, "deepcache"): 2.0,
        FIVE: 3.0,
        six(None, "tome"): 3.0,
        six(3.0, "tome"): 3.0,
        six(2.0, "deepcache"): 2.0,
    }


def test_exporting_twice_changes_nothing(path, make_entry):
    results.merge(path, [make_entry(3.0)])
    before = path.read_bytes()
    results.merge(path, [make_entry(3.0)])
    assert path.read_bytes() == before


def test_exporting_again_restores_a_lost_alias(path, make_entry):
    results.merge(path, [make_entry(3.0)])
    data = json.loads(path.read_text())
    del data[FIVE]
    path.write_text(json.dumps(data))
    results.merge(path, [make_entry(3.0)])
    assert speedups(path)[FIVE] == 3.0


@pytest.mark.parametrize("old_device", ["cuda", None])
def test_another_provenance_under_the_same_key_is_refused(path, make_entry, old_device):
    results.merge(path, [make_entry(3.0, device=old_device)])
    before = path.read_bytes()
    with pytest.raises(ExportRefusedError, match="other conditions"):
        results.merge(path, [make_entry(9.0, searched=("tome",)), make_entry(4.0)])
    assert path.read_bytes() == before
    results.merge(path, [make_entry(2.5)], force=True)
    assert speedups(path)[six(None, "deepcache")] == 2.5


def test_an_alias_of_another_provenance_stays_and_is_reported(path, make_entry):
    path.write_text(json.dumps({FIVE: {"search_targets": ["tome"], "ratio": 0.5, "speedup": 2.0}}))
    report = results.merge(path, [make_entry(3.0)])
    assert "other conditions" in report.kept[FIVE]
    assert speedups(path)[FIVE] == 2.0
    assert six(None, "deepcache") in report.written


def test_what_cannot_be_read_is_not_replaced_unasked(path, make_entry):
    path.write_text(json.dumps({six(None, "deepcache"): {"speedup": "fast"}}))
    with pytest.raises(ExportRefusedError, match="cannot be read"):
        results.merge(path, [make_entry(3.0)])
    results.merge(path, [make_entry(3.0)], force=True)
    assert speedups(path)[six(None, "deepcache")] == 3.0


def test_a_key_spelled_otherwise_is_replaced_in_its_place(path, make_entry):
    old = "('SD1.5', 'DDIMScheduler', 50, '2.5', 0.02, 'deepcache')"
    results.merge(path, [make_entry(2.6, target=2.5)])
    value = json.loads(path.read_text())[six(2.5, "deepcache")]
    path.write_text(json.dumps({old: value}))
    results.merge(path, [make_entry(3.0, target=2.5)])
    assert speedups(path)[old] == 3.0
    assert six(2.5, "deepcache") not in speedups(path)


def test_a_file_can_be_merged_into_another(path, tmp_path, make_entry):
    results.merge(path, [make_entry(3.0), make_entry(2.0, target=2.0), make_entry(1.5, target=1.2)])
    other = tmp_path / "other.json"
    results.merge(other, results.primary_entries(results.read(path)))
    assert speedups(other) == speedups(path)
    assert [e.key.speedup for e in results.primary_entries(results.read(path))] == [None, 1.2, 2.0]


def test_entries_under_five_field_keys_can_be_merged_too(path, make_entry):
    entry = make_entry(3.0)
    five = dataclasses.replace(entry, key=entry.key.over(None))
    results.merge(path, [five])
    assert set(speedups(path)) == {FIVE, "('SD1.5', 'DDIMScheduler', '50', 3.0, 0.02)"}
    results.merge(path, [entry])
    assert six(None, "deepcache") in speedups(path)
