from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from accel_opt.tasks import catalogue_entries, compare, derive_gen

ENTRIES = [
    entry | {"difficulty": ("easy", "medium", "hard")[number % 3]}
    for number, entry in enumerate(catalogue_entries("I"))
]


def test_a_file_and_its_derived_generation_file_agree():
    found = compare(ENTRIES, derive_gen(ENTRIES))
    assert found.equal
    assert found.percentage == 100.0
    assert found.matching == found.total == 27


def test_the_first_differing_character_is_named():
    other = copy.deepcopy(ENTRIES)
    other[1]["prompt_context"] = other[1]["prompt_context"].replace("DDIM", "DDPM")
    found = compare(ENTRIES, other)
    (difference,) = found.differences
    assert difference.kind == "field"
    assert difference.field == "prompt_context"
    assert difference.at == ENTRIES[1]["prompt_context"].index("DDIM") + 2
    assert difference.first == ENTRIES[1]["prompt_context"][:50]
    assert round(found.percentage, 2) == round(100 * 26 / 27, 2)


def test_paths_may_differ_in_their_folder_between_the_two_kinds_alone():
    moved = copy.deepcopy(ENTRIES)
    moved[0]["path_to_gt_code"] = "elsewhere/192.py"
    assert [d.field for d in compare(ENTRIES, moved).differences] == ["path_to_gt_code"]
    assert compare(moved, derive_gen(ENTRIES)).equal
    renamed = derive_gen(ENTRIES)
    renamed[0]["path_to_gen_code"] = "gen_code/193.py"
    (difference,) = compare(ENTRIES, renamed).differences
    assert difference.kind == "path"


def test_order_missing_and_extra():
    other = [ENTRIES[1], ENTRIES[0], *ENTRIES[3:], {"prompt_id": "9999"}]
    found = compare(ENTRIES, other)
    assert [(d.kind, d.prompt_id) for d in found.differences] == [
        ("order", "192"),
        ("order", "193"),
        ("missing", "194"),
        ("extra", "9999"),
    ]
    assert found.matching == 24


def test_another_id_at_the_same_place_is_one_difference():
    other = copy.deepcopy(ENTRIES)
    other[5]["prompt_id"] = "x"
    (difference,) = compare(ENTRIES, other).differences
    assert (difference.field, difference.first, difference.second) == ("prompt_id", "197", "x")


def test_types_count():
    other = copy.deepcopy(ENTRIES)
    other[0]["category"] = "1"
    assert len(compare(ENTRIES, other).differences) == 1


def test_empty_files_agree():
    assert compare([], []).percentage == 100.0
    assert compare(ENTRIES, []).percentage == 0.0


def test_repeated_ids_are_told_apart():
    assert compare([*ENTRIES, *ENTRIES], [*ENTRIES, *ENTRIES]).equal
    assert len(compare([*ENTRIES, *ENTRIES], ENTRIES).differences) == 27


edits = st.dictionaries(
    st.tuples(
        st.integers(0, 26),
        st.sampled_from(["category", "prompt_context", "difficulty", "path_to_gt_code", "new"]),
    ),
    st.text(max_size=5).map(lambda text: f"<{text}>"),
    max_size=12,
)


@given(edits)
def test_exactly_the_injected_differences_are_found(edits):
    other = copy.deepcopy(ENTRIES)
    for (position, field), value in edits.items():
        other[position][field] = value
    found = compare(ENTRIES, other)
    injected = {(ENTRIES[position]["prompt_id"], field) for position, field in edits}
    assert {(d.prompt_id, d.field) for d in found.differences} == injected
    assert len(found.differences) == len(injected)
    assert found.matching == 27 - len({position for position, _ in edits})


@given(st.sets(st.integers(0, 26), max_size=26))
def test_exactly_the_removed_entries_are_missing(removed):
    other = [entry for number, entry in enumerate(ENTRIES) if number not in removed]
    found = compare(ENTRIES, other)
    expected = [ENTRIES[number]["prompt_id"] for number in sorted(removed)]
    assert [(d.kind, d.prompt_id) for d in found.differences] == [("missing", i) for i in expected]
    back = compare(other, ENTRIES)
    assert [(d.kind, d.prompt_id) for d in back.differences] == [("extra", i) for i in expected]
