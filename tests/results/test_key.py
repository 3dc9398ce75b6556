from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel_opt.core.errors import InputError
from accel_opt.results import EntryKey, parse_key

FORMS = {
    "('SD1.5', 'DDIMScheduler', '50', 'upbound_speedup', 0.02)": EntryKey(
        "SD1.5", "DDIMScheduler", 50
    ),
    "('SD1.5', 'DDIMScheduler', '50', 3.04, 0.02)": EntryKey("SD1.5", "DDIMScheduler", 50, 3.04),
    "('SD1.5', 'DDIMScheduler', '50', None, 0.02, ['deepcache', 'tome'])": EntryKey(
        "SD1.5", "DDIMScheduler", 50, None, 0.02, ("deepcache", "tome")
    ),
    "('PixArt-α', 'UniPCMultistepScheduler', '25', 2.5, 0.05, ['tgate'])": EntryKey(
        "PixArt-α", "UniPCMultistepScheduler", 25, 2.5, 0.05, ("tgate",)
    ),
}


@pytest.mark.parametrize("text", FORMS)
def test_every_form_is_read_and_rendered_to_the_letter(text):
    assert parse_key(text) == FORMS[text]
    assert str(parse_key(text)) == text


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("('A', 'B', '50', '3.04', 0.02)", "('A', 'B', '50', 3.04, 0.02)"),
        ("('A', 'B', 50, 3.04, '0.02')", "('A', 'B', '50', 3.04, 0.02)"),
        (
            "('A', 'B', '50', 'upbound_speedup', 0.02, 'tome,deepcache')",
            "('A', 'B', '50', None, 0.02, ['deepcache', 'tome'])",
        ),
        ("('A', 'B', '50', None, 0.02)", "('A', 'B', '50', 'upbound_speedup', 0.02)"),
        ("('A', 'B', '50', (3.04,), (0.02,))", "('A', 'B', '50', 3.04, 0.02)"),
    ],
)
def test_variants_read_as_the_form_they_mean(text, same):
    assert str(parse_key(text)) == same


@pytest.mark.parametrize(
    "text",
    [
        "",
        "comment",
        "('A', 'B', '50')",
        "('A', 'B', '50', 3.04, 0.02, [], 1)",
        "('A', 'B', '50', 3.04, 0.02, [])",
        "('A', 'B', '50', 3.04, 0.02, [3])",
        "('A', 'B', 'fifty', 3.04, 0.02)",
        "('A', 'B', '0', 3.04, 0.02)",
        "('A', 'B', '50', 1e999, 0.02)",
        f"('A', 'B', '50', {10**400}, 0.02)",
        f"('A', 'B', '{10**400}', 2, 0.02)",
        f"('A', 'B', '50', 2, {10**400})",
        "('A', 'B', '50', True, 0.02)",
        "('A', 'B', '50', 3.04, nan)",
        "('A', 'B', '50', 3.04, -0.1)",
        "(1, 'B', '50', 3.04, 0.02)",
        "(__import__('os').system('true'), 'B', '50', 3.04, 0.02)",
        "(" * 5000,
        "('A', 'B', '50', '" + "(" * 9000 + "', 0.02)",
        "x" * 20_000,
        "('A\x00', ",
    ],
)
def test_what_is_no_key_is_refused_with_what_is_expected(text):
    with pytest.raises(InputError, match="expected"):
        parse_key(text)


names = st.text(min_size=1, max_size=30)
numbers = st.floats(0.01, 100, allow_nan=False) | st.integers(1, 100)


@given(
    model=names,
    scheduler=names,
    steps=st.integers(1, 1000),
    speedup=st.none() | numbers,
    loss=st.floats(0, 1, allow_nan=False),
    targets=st.none() | st.lists(names.map(lambda s: "n" + s.replace(",", "")), min_size=1),
)
def test_any_key_is_read_back(*, model, scheduler, steps, speedup, loss, targets):
    stripped = None if targets is None else tuple(name.strip() for name in targets)
    key = EntryKey(model, scheduler, steps, speedup, loss, stripped)
    assert parse_key(str(key)) == key
