"""Points, configs, canonical keys, sizes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accel_opt.core.config import Config
from accel_opt.core.dims import Int
from accel_opt.core.errors import InputError
from accel_opt.core.run import Refusal
from accel_opt.search import Space
from accel_opt.search.strategies.candidates import around, tidy
from accel_opt.search.strategies.optuna_own import distributions
from accel_opt.search.strategies.simple import nested_loops
from tests.search.tables import ALL, space


@pytest.mark.parametrize(
    ("names", "require_all", "size"),
    [
        (("deepcache",), False, 16),
        (("tome",), False, 36),
        (("tgate",), False, 1800),
        (("deepcache", "tome", "tgate"), True, 1_036_800),
        (("deepcache", "tome", "tgate"), False, 17 * 37 * 1801 - 1),
        (("deepcache", "tome"), False, 17 * 37 - 1),
    ],
)
def test_sizes(names, require_all, size):
    assert space(*names, require_all=require_all).size == size


def test_off_is_one_level_beyond_the_mild_end():
    axes = {axis.label: axis for axis in space().axes}
    assert axes["deepcache.cache_interval"].numbers[0] == 1
    assert axes["tome.ratio"].numbers[0] == 0.0
    assert axes["tgate.gate_step"].numbers[0] == 20
    assert axes["tgate.gate_step"].values[:2] == (None, 19)
    assert not axes["tome.max_downsample"].has_off
    assert not any(axis.has_off for axis in space("tome").axes)


def test_points_lists_every_setting_once():
    listed = list(space("deepcache", "tome").points())
    assert len(listed) == len(set(listed)) == 17 * 37 - 1
    assert all(space("deepcache", "tome").decode(point) for point in listed)


points = st.tuples(*(st.integers(0, len(axis.values) - 1) for axis in space().axes))


@given(points)
@settings(max_examples=200, deadline=None)
def test_config_and_parameters_lead_back_to_the_point(point):
    world = space()
    normal = world.normal(point)
    assert world.point_of(world.params(normal)) == normal
    assert world.encode(world.decode(normal)) == (normal if any(normal) else (0,) * 8)
    assert world.normal(normal) == normal


def test_parameters_lie_in_the_study_s_distributions():
    world = space()
    offered = distributions(world)
    for row in world.sample(np.random.default_rng(0), 200):
        for name, value in world.params(tuple(int(level) for level in row)).items():
            assert offered[name]._contains(offered[name].to_internal_repr(value))


def test_equal_computations_share_a_key_and_refusals_are_left_out():
    def canonical(config):
        ratio, level = config["tome"]["ratio"], config["tome"]["max_downsample"]
        if level == 4:
            return Refusal("not here")
        return Config(
            {"tome": {"ratio": min(ratio, 0.8), "max_downsample": 2 if level == 3 else level}}
        )

    world = space("tome", canonical=canonical)
    assert len(world.distinct(100)) == 8 * 2
    assert isinstance(world.resolve((0, 3)), Refusal)
    assert world.resolve((8, 2)).key == world.resolve((7, 1)).key
    assert world.resolve((8, 2)).point == (7, 1)


def test_a_canonical_form_outside_the_space_keeps_its_point():
    world = space(
        "tome", canonical=lambda _: Config({"tome": {"ratio": 0.75, "max_downsample": 1}})
    )
    assert world.resolve((8, 2)).point == (8, 2)


def test_neighbours_are_one_level_away():
    world = space()
    point = world.encode(Config({"deepcache": {"cache_interval": 2, "cache_branch_id": 3}}))
    near = world.neighbours(point)
    assert world.normal((0,) * 8) in near
    assert all(world.normal(other) == other and other != point for other in near)


def test_candidates_are_normal_and_never_all_off():
    world = space()
    rows = tidy(world, around(world, world.sample(np.random.default_rng(1), 50)))
    assert all(world.normal(tuple(row)) == tuple(row) for row in rows.tolist())
    assert rows.any(axis=1).all()


def test_the_nested_loops_run_in_the_old_order():
    first = [space("deepcache").decode(p)["deepcache"] for p in nested_loops(space("deepcache"))][
        :5
    ]
    assert [tuple(p.values()) for p in first] == [(0, 2), (0, 3), (0, 4), (0, 5), (1, 2)]
    tome = [space("tome").decode(p)["tome"] for p in nested_loops(space("tome"))]
    assert [p["max_downsample"] for p in tome[::9]] == [4, 3, 2, 1]


def test_an_empty_space_is_refused():
    with pytest.raises(InputError, match="without parameters"):
        Space({})
    with pytest.raises(InputError, match="without parameters"):
        Space({"tome": {}})


def test_work_that_is_no_number_counts_as_none_saved():
    world = Space({"a": {"b": Int(0, 1)}}, work=lambda _: float("nan"))
    assert world.work_of(Config({"a": {"b": 1}})) == 1.0
    assert Space(ALL).work_of(Config({})) is None
