import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel_opt.core.config import Config
from accel_opt.core.errors import InputError

NUMBERS = st.one_of(
    st.integers(-(2**31), 2**31), st.floats(allow_nan=False, allow_infinity=False, width=64)
)
CONFIGS = st.dictionaries(
    st.text(min_size=1, max_size=8), st.dictionaries(st.text(min_size=1, max_size=8), NUMBERS)
)


@given(CONFIGS)
def test_json_round_trip(settings):
    config = Config(settings)
    again = Config.from_json(config.to_json())
    assert again == config
    assert again.key == config.key
    assert hash(again) == hash(config)


def test_order_does_not_matter():
    one = Config({"tome": {"ratio": 0.5, "max_downsample": 1}, "deepcache": {"cache_interval": 3}})
    two = Config({"deepcache": {"cache_interval": 3}, "tome": {"max_downsample": 1, "ratio": 0.5}})
    assert one == two
    assert one.key == two.key
    assert one.accelerators == ("deepcache", "tome")
    assert str(one) == "deepcache(cache_interval=3) + tome(max_downsample=1, ratio=0.5)"


def test_what_is_handed_out_cannot_change_it():
    config = Config({"tome": {"ratio": 0.5}})
    config["tome"]["ratio"] = 0.9
    config.to_dict()["tome"]["ratio"] = 0.9
    assert config["tome"] == {"ratio": 0.5}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "3", None, True, [3]])
def test_values_are_numbers(value):
    with pytest.raises(InputError, match=r"tome\.ratio"):
        Config({"tome": {"ratio": value}})


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": {"b": "c"}}', json.dumps(None)])
def test_other_text_is_refused(text):
    with pytest.raises(InputError):
        Config.from_json(text)
