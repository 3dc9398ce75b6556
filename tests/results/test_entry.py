from __future__ import annotations

import dataclasses
import json
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel_opt.core.config import Config
from accel_opt.core.errors import InputError
from accel_opt.results import Entry, EntryKey

KEY = EntryKey("SD1.5", "DDIMScheduler", 50)
OLD = {"search_targets": ["deepcache"], "cache_interval": 3, "cache_branch_id": 0, "speedup": 3.04}


def test_a_winner_becomes_the_value_that_old_tools_read(make_entry):
    value = make_entry(2.987654).to_json()
    assert list(value)[:6] == [
        "search_targets",
        "cache_branch_id",
        "cache_interval",
        "speedup",
        "time",
        "score_loss",
    ]
    assert value["search_targets"] == ["deepcache"]
    assert value["speedup"] == 2.99
    assert value["time"] == 1.23
    assert value["time_s"] == 1.234567
    assert value["provenance"]["confirmed"] is True
    assert value["provenance"]["speedup_interval"]["n"] == 10
    assert value["provenance"]["dtype"] == "float32"


def test_the_targets_on_and_the_targets_searched_are_told_apart(make_entry):
    entry = make_entry(searched=("tome", "deepcache"))
    assert entry.search_targets == ("deepcache",)
    assert entry.key.targets == ("deepcache", "tome")


def test_a_required_latency_is_stored_as_the_speedup_it_means(make_best):
    entry = Entry.from_best(
        make_best(3.0, latency=1.0),
        model="SD1.5",
        scheduler="DDIMScheduler",
        steps=50,
        searched=("tome",),
        latency_s=1.2,
    )
    assert entry.key.speedup == 2.5
    assert not entry.stands_alone


def test_the_old_required_time_is_stored_under_the_achieved_speedup(make_best):
    entry = Entry.from_best(
        make_best(3.014),
        model="SD1.5",
        scheduler="DDIMScheduler",
        steps=50,
        searched=("tome",),
        latency_s=1.5,
        achieved_only=True,
        conditions={"dtype": "float32"},
    )
    assert str(entry.key) == "('SD1.5', 'DDIMScheduler', '50', 3.01, 0.02, ['tome'])"
    assert entry.provenance["required_latency_s"] == 1.5
    assert entry.stands_alone
    assert not dataclasses.replace(entry, provenance={"dtype": "float32"}).stands_alone


@pytest.mark.parametrize(
    "change",
    [
        {"search_targets": "deepcache"},
        {"search_targets": [["deepcache"]]},
        {"cache_interval": [3]},
        {"cache_interval": [[3]], "speedup": [3.04]},
        {"speedup": "3.04"},
    ],
)
def test_values_of_every_age_read_alike(change):
    assert Entry.from_json(KEY, OLD | change) == Entry.from_json(KEY, OLD)


def test_two_targets_in_one_text():
    value = {"search_targets": "tome, deepcache", "cache_interval": 2, "ratio": 0.5, "speedup": 2}
    entry = Entry.from_json(KEY, value)
    assert entry.config == Config({"deepcache": {"cache_interval": 2}, "tome": {"ratio": 0.5}})


def test_without_search_targets_the_parameters_say_them():
    assert Entry.from_json(KEY, {"ratio": 0.5, "speedup": 1.1}).search_targets == ("tome",)


def test_a_parameter_that_was_never_stored_is_no_key_error():
    entry = Entry.from_json(KEY, {"search_targets": ["tome"], "speedup": 1.1})
    assert entry.config.to_dict() == {"tome": {}}


def test_parameters_of_targets_that_are_off_are_kept_but_not_applied():
    entry = Entry.from_json(KEY, OLD | {"ratio": 0.5, "note": ["mine"]})
    assert entry.search_targets == ("deepcache",)
    assert entry.extra == {"ratio": 0.5, "note": ["mine"]}
    assert entry.to_json()["note"] == ["mine"]


def test_parameters_of_foreign_plugins_carry_their_name():
    config = Config({"blur": {"radius": 3}, "tome": {"ratio": 0.5, "max_downsample": 1}})
    entry = Entry(KEY, config, 1.5)
    assert entry.to_json()["blur.radius"] == 3
    assert entry.to_json()["ratio"] == 0.5
    assert Entry.from_json(KEY, entry.to_json()) == entry


def test_a_parameter_name_keeps_its_first_owner(monkeypatch):
    from accel_opt.accelerators import registry
    from accel_opt.results import owners

    class Late:
        name = "late"
        params = ("ratio", "depth")

    monkeypatch.setattr(sys.modules[__name__], "Late", Late, raising=False)
    table = (*registry.BUILT_IN, f"{__name__}:Late")
    monkeypatch.setattr(registry, "BUILT_IN", table)
    owners._owners.cache_clear()
    try:
        value = {"search_targets": ["late", "tome"], "ratio": 0.5, "speedup": 2}
        entry = Entry.from_json(KEY, value | {"late.ratio": 3, "depth": 1})
        assert entry.config == Config({"tome": {"ratio": 0.5}, "late": {"ratio": 3, "depth": 1}})
        assert entry.to_json()["late.ratio"] == 3
    finally:
        owners._owners.cache_clear()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"cache_interval": "three"}, "cache_interval='three'"),
        ({"cache_interval": None}, "cache_interval"),
        ({"cache_interval": True}, "cache_interval=True"),
        ({"cache_interval": math.inf}, "not finite"),
        ({"cache_interval": 10**400}, "not finite"),
        ({"speedup": 10**400}, "not finite"),
        ({"time": -(10**400)}, "not finite"),
        ({"cache_interval": {"a": 1}}, "cache_interval"),
        ({"speedup": "fast"}, "speedup='fast'"),
        ({"speedup": math.nan}, "not finite"),
        ({"speedup": -1}, "speedup"),
        ({"provenance": "cpu"}, "provenance"),
        ({"deepcache.cache_interval": 4}, "given twice"),
    ],
)
def test_what_is_no_entry_names_the_field(change, named):
    with pytest.raises(InputError, match=named):
        Entry.from_json(KEY, OLD | change)


@pytest.mark.parametrize("value", [None, [], 3, "x", {}])
def test_no_entry_at_all(value):
    with pytest.raises(InputError):
        Entry.from_json(KEY, value)


names = st.from_regex(r"[a-z_]{1,10}", fullmatch=True)
values = st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(
    config=st.dictionaries(names, st.dictionaries(names, values, max_size=3), min_size=1),
    speedup=st.floats(0.01, 1000),
    loss=st.none() | st.floats(-1, 1),
    seconds=st.none() | st.floats(0, 1e6),
    provenance=st.none() | st.dictionaries(st.text(max_size=9), plain),
)
def test_any_entry_written_is_read_back_equal(config, speedup, loss, seconds, provenance):
    entry = Entry(KEY, Config(config), speedup, loss, seconds, seconds, provenance)
    assert Entry.from_json(KEY, json.loads(json.dumps(entry.to_json()))) == entry
