"""What strategies propose, and what the model makes of evaluations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from accel_opt.core.config import Config
from accel_opt.core.measurement import Limit
from accel_opt.search import search
from accel_opt.search.explain import importance, outcomes
from accel_opt.search.strategies import make
from accel_opt.search.strategies.beliefs import bend
from accel_opt.search.strategies.features import Featurizer
from accel_opt.search.strategies.gp import log_expected_improvement
from accel_opt.search.strategies.surrogate import Prior, Surrogate
from tests.search.tables import evaluate, plan, space, work

PRESETS = (
    Config({"tome": {"ratio": 0.5, "max_downsample": 1}}),
    Config({"deepcache": {"cache_interval": 3, "cache_branch_id": 0}}),
    Config({"nowhere": {"x": 1}}),
)


@pytest.mark.parametrize("strategy", ["gp", "tpe", "random", "auto"])
def test_presets_come_first_and_strangers_are_left_out(strategy):
    result = search(
        space(presets=PRESETS), evaluate, plan(strategy=strategy, trials=3, confirm=False)
    )
    assert {record.config for record in result.trials[:2]} == set(PRESETS[:2])


def test_enumeration_starts_with_the_least_work():
    asked = plan(strategy="enumerate", trials=None, confirm=False)
    result = search(space("deepcache"), evaluate, asked)
    works = [work(record.config) for record in result.trials]
    assert works == sorted(works)
    assert len(works) == 16


def test_traversal_with_skipping_visits_less_and_misses_nothing():
    asked = {"trials": None, "confirm": False, "stop_early": False}
    plain = search(space("deepcache"), evaluate, plan(strategy="traversal", **asked))
    skipping = search(space("deepcache"), evaluate, plan(strategy="traversal-skip", **asked))
    assert len(skipping.trials) < len(plain.trials) == 16
    assert skipping.found.config == plain.found.config


def test_the_model_beats_chance_on_a_million_settings():
    def best(strategy):
        asked = plan(strategy=strategy, trials=25, n_items=40, confirm=False)
        found = search(space(), evaluate, asked).found
        return found.speedup.value if found else 1.0

    assert best("gp") > 1.15 * best("random")


def test_every_proposal_is_new():
    result = search(
        space("deepcache", "tome"), evaluate, plan(strategy="tpe", trials=40, confirm=False)
    )
    keys = [record.key for record in result.trials]
    assert len(keys) == len(set(keys)) == 40


def test_features_vanish_where_an_accelerator_is_off():
    world = space()
    point = world.encode(Config({"tome": {"ratio": 0.9, "max_downsample": 4}}))
    features = Featurizer(world)(np.array([point]))
    assert features.on.tolist() == [[0, 1, 0]]
    assert features.harsh[0, 2:4].tolist() == [1, 1]
    assert features.harsh[0, [0, 1, 4, 5, 6, 7]].sum() == 0
    assert features.joint[0] == pytest.approx(-math.log(work(world.decode(point))))


def test_expected_improvement_has_no_cliff():
    z = np.linspace(-40, 5, 4000)
    values = log_expected_improvement(z)
    exact = np.log(np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi) + z * special.ndtr(z))
    near = z > -4
    assert np.allclose(values[near], exact[near], atol=1e-8)
    assert np.all(np.diff(values) > 0)


def test_large_losses_are_bent_but_keep_their_order():
    units = np.linspace(-3, 30, 200)
    bent = [bend(value)[0] for value in units]
    assert bent == sorted(bent)
    assert bend(1.0) == (1.0, 1.0)


def surrogate(points, y, noise):
    world = space("deepcache")
    features = Featurizer(world)(np.array(points).reshape(-1, 2))
    prior = Prior(np.zeros(2), np.ones(2), parts=0.5, joint=0.1, length=0.7, noise=0.01)
    return world, Surrogate(features, features.harsh, np.array(y), np.array(noise), prior)


def test_the_surrogate_trusts_exact_observations_and_doubts_noisy_ones():
    world, exact = surrogate([(0, 0), (3, 3), (1, 2)], [0.0, 1.0, 0.4], [0.0, 0.0, 0.0])
    asked = Featurizer(world)(np.array([(3, 3), (2, 0)]))
    mean, deviation = exact.predict(asked, asked.harsh)
    assert mean[0] == pytest.approx(1.0, abs=0.05)
    assert deviation[0] < deviation[1]
    _, noisy = surrogate([(0, 0), (3, 3), (1, 2)], [0.0, 1.0, 0.4], [5.0, 5.0, 5.0])
    assert noisy.predict(asked, asked.harsh)[1][0] > 3 * deviation[0]


def test_before_anything_is_known_the_prior_speaks():
    world, blank = surrogate([], [], [])
    asked = Featurizer(world)(np.array([(3, 3)]))
    mean, deviation = blank.predict(asked, asked.harsh)
    assert mean.tolist() == [0.0]
    assert deviation[0] > 1


def test_importance_finds_what_matters():
    asked = plan(strategy="random", trials=30, confirm=False, stop_early=False)
    result = search(space("deepcache"), evaluate, asked)
    shares = importance(space("deepcache"), result.trials)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["deepcache.cache_interval"] > 0.2
    assert set(importance(space("deepcache"), result.trials, "clip")) == set(shares)
    assert importance(space("deepcache"), result.trials[:3]) == {}
    assert outcomes(result.trials) == {"full": 16}


def test_several_limits_all_bind():
    limits = (Limit("clip", 0.02), Limit("second", 0.05, relative=False, perfect=1.0))

    def both(config, batch):
        found = evaluate(config, batch)
        second = tuple(1 - 4 * (1 - s / 30) for s in found.scores["clip"])
        found.scores["second"] = second
        return found

    result = search(space("deepcache"), both, plan(limits=limits, trials=None, confirm=False))
    assert result.found.losses["second"].value <= 0.05
    assert set(result.found.losses) == {"clip", "second"}


def test_unknown_strategies_are_named():
    with pytest.raises(ValueError, match="did you mean 'tpe'"):
        make("tpa")
