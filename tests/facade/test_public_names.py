"""The front door: what it is, pinned."""

import pytest

import accel_opt

NAMES = [
    "Batch",
    "BatchMeasurement",
    "Best",
    "Config",
    "Float",
    "InputError",
    "Int",
    "Interval",
    "Limit",
    "Space",
    "accelerate",
    "accelerated",
    "apply",
    "generate_code",
    "load_pipeline",
    "lookup",
    "register",
    "results",
    "search",
    "search_work",
    "tasks",
]


def test_names_are_pinned_and_sorted():
    assert sorted(accel_opt.__all__) == accel_opt.__all__
    assert [name for name in accel_opt.__all__ if name != "__version__"] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_name_resolves(name):
    assert getattr(accel_opt, name) is not None


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        _ = accel_opt.serach


def test_search_is_the_room_and_the_function():
    import accel_opt.search.space as module

    assert module.Space is accel_opt.Space
    assert accel_opt.search.SearchPlan.__name__ == "SearchPlan"
    with pytest.raises(accel_opt.InputError, match="go together"):
        accel_opt.search(space=module.Space({"a": {"b": accel_opt.Int(1, 2)}}))
