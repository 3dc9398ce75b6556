import pytest
from hypothesis import given
from hypothesis import strategies as st

from accel_opt.core.dims import Float, Int
from accel_opt.core.errors import InputError


def test_values_and_direction():
    assert Int(2, 5).gently_first() == (2, 3, 4, 5)
    assert Int(0, 3, faster="down").gently_first() == (3, 2, 1, 0)
    assert Float(0.1, 0.9, 0.1).values() == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@given(st.integers(-50, 50), st.integers(0, 50), st.integers(1, 9))
def test_int_range_is_pythons(low, width, step):
    dim = Int(low, low + width, step)
    assert dim.values() == tuple(range(low, low + width + 1, step))
    assert all(dim.parse(value) == value for value in dim.values())


@pytest.mark.parametrize("bad", [{"low": 3, "high": 2}, {"low": 1, "high": 2, "step": 0}])
def test_empty_ranges(bad):
    with pytest.raises(InputError, match="is empty"):
        Int(**bad)
    with pytest.raises(InputError, match="is empty"):
        Float(**({"step": 0.1} | bad))


@pytest.mark.parametrize("value", ["3", 2.5, True, None, float("nan")])
def test_int_takes_whole_numbers(value):
    with pytest.raises((InputError, ValueError)):
        Int(1, 5).parse(value)


def test_narrowed_keeps_direction_and_meaning():
    dim = Int(5, 19, faster="down", meaning="gate").narrowed(7, 9)
    assert (dim.low, dim.high, dim.step, dim.faster, dim.meaning) == (7, 9, 1, "down", "gate")
