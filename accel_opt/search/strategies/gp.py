"""The default strategy: constrained expected improvement under a model that knows the structure.

The score of a setting is the expected improvement of the log objective over the best feasible one
(over the baseline while there is none) times the probability that every loss is within its
limit (Gardner et al., Bayesian Optimization with Inequality Constraints, ICML 2014).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from accel_opt.search.confirm_margin import best_safe, margin
from accel_opt.search.space import Setting, Space
from accel_opt.search.strategies.base import (
    EXHAUSTED,
    LISTED,
    Ending,
    Proposal,
    View,
    any_free,
    free,
    presets,
)
from accel_opt.search.strategies.beliefs import Beliefs, learn
from accel_opt.search.strategies.candidates import around, candidates, tidy
from accel_opt.search.strategies.features import Features, Featurizer

# The search ends when no setting has a better chance than this of a worthwhile improvement: one
# chance for spaces that are listed completely, and a smaller one for those so large that many
# settings with small chances make a fair one together.
SMALL_CHANCE = 0.01
SMALL_CHANCE_OF_MANY = 0.002
_LEAST_TOLD = 8
_HILL_CLIMBS = 3
_CLIMBERS = 8
_PRESETS = 3
# Only what confirmation bears out is exported: settings are chosen for that, but for every so
# manyth, which looks for the fastest that the search itself finds feasible.
_BOLD_TURN = 3
_SAFE_CHANCE = 0.5
# A setting whose scatter takes more of the limit than this leaves is not looked for.
_LEAST_SCALE = 0.1


@dataclass(frozen=True)
class Aim:
    """What the next setting should respect and beat.

    Attributes:
        scale: Fraction of the first limit to respect.
        floor: Log objective to beat.
        margin: How much smaller that fraction is, per log of work saved; above 0 when what
            confirmation can bear out is looked for.
    """

    scale: float
    floor: float
    margin: float = 0.0


@dataclass(frozen=True)
class Scored:
    """Candidates with their scores.

    Attributes:
        points: (n, axes).
        score: (n,) log of expected improvement times probability of feasibility.
        chance: (n,) probability of a feasible improvement of at least `min_gain`.
        feasible: (n,) probability of being feasible and faster than the baseline.
    """

    points: np.ndarray
    score: np.ndarray
    chance: np.ndarray
    feasible: np.ndarray


class ModelGuided:
    """Gaussian processes with counted work, monotone prior means and additive structure."""

    name = "gp"
    tells_pruned = False

    def __init__(self) -> None:
        self._featurizer: Featurizer | None = None

    def propose(self, view: View) -> Proposal:
        """See Strategy."""
        featurize = self._features_of(view.space)
        target = aim(view)
        beliefs = _beliefs(view, featurize, target)
        opening = _opening(view, beliefs, featurize)
        if opening:
            return opening
        scored = self._score(view, beliefs, featurize, target)
        if not len(scored.points):
            return EXHAUSTED
        ending = _ending(view, scored, target)
        if ending and not target.margin and lacks_safe(view):
            # Before the end: something that confirmation can bear out, if there is such a thing.
            target = safe_aim(view)
            beliefs = _beliefs(view, featurize, target)
            scored = self._score(view, beliefs, featurize, target)
            ending = _ending(view, scored, target)
        return ending or self._choose(view, scored)

    def _features_of(self, space: Space) -> Featurizer:
        if self._featurizer is None or self._featurizer.space is not space:
            self._featurizer = Featurizer(space)
        return self._featurizer

    def _score(self, view: View, beliefs: Beliefs, featurize: Featurizer, target: Aim) -> Scored:
        def scores(points: np.ndarray) -> Scored:
            return score(beliefs, featurize(points), points, target, view.plan.min_gain)

        points = candidates(view)
        if not len(points):
            return Scored(points, np.zeros(0), np.zeros(0), np.zeros(0))
        scored = scores(points)
        for _ in range(_HILL_CLIMBS if view.space.size > LISTED else 0):
            top = np.argsort(-scored.score, kind="stable")[:_CLIMBERS]
            scored = _join(scored, scores(tidy(view.space, around(view.space, scored.points[top]))))
        return scored

    def _choose(self, view: View, scored: Scored) -> Proposal:
        for i in np.argsort(-scored.score, kind="stable"):
            setting = free(view, tuple(int(level) for level in scored.points[i]))
            if isinstance(setting, Setting):
                return setting
        return any_free(view)


def _beliefs(view: View, featurize: Featurizer, target: Aim) -> Beliefs:
    # What the search finds feasible is so on its own items, all of which a full evaluation sees;
    # what confirmation bears out must be so on others, of which these are a sample.
    population = None if target.margin else view.plan.n_items
    return learn(featurize, view.ledger, population)


def _opening(view: View, beliefs: Beliefs, featurize: Featurizer) -> Setting | None:
    """The first few settings are presets: the most promising of each combination not yet tried."""
    if len(view.ledger.records) >= min(_PRESETS, max(1, view.space.size // 8)):
        return None
    tried = {record.config.accelerators for record in view.ledger.records}
    fresh = [preset for preset in presets(view) if preset.config.accelerators not in tried]
    if not fresh:
        return None
    points = np.array([preset.point for preset in fresh])
    scored = score(beliefs, featurize(points), points, aim(view), view.plan.min_gain)
    return fresh[int(np.argmax(scored.score))]


def aim(view: View) -> Aim:
    """What to respect and to beat; a frontier is covered by drawing the fraction anew."""
    best = view.ledger.best
    if not view.plan.frontier:
        turn = len(view.ledger.records) % _BOLD_TURN != 0
        if best and turn and lacks_safe(view):
            return safe_aim(view)
        return Aim(1.0, best.gain.value if best else 0.0)
    scale = float(view.rng.uniform(0.05, 1.0))
    metric, top = view.plan.limits[0].metric, view.plan.limits[0].limit
    below = [r.gain.value for r in view.ledger.feasible if r.losses[metric].value <= top * scale]
    return Aim(scale, max(below, default=0.0))


def lacks_safe(view: View) -> bool:
    """Whether the best setting is one that confirmation could hardly bear out."""
    best = view.ledger.best
    return best is not None and best is not best_safe(view.ledger, view.plan)


def safe_aim(view: View) -> Aim:
    """The fastest setting that confirmation could bear out."""
    safe = best_safe(view.ledger, view.plan)
    floor = safe.gain.value if safe else 0.0
    taken = margin(view.ledger, view.plan, lambda r: -math.log(view.space.work_of(r.config) or 1))
    return Aim(1.0, floor, taken)


def score(
    beliefs: Beliefs, features: Features, points: np.ndarray, aim: Aim, min_gain: float
) -> Scored:
    """Scores points.

    Args:
        beliefs: The fitted models.
        features: Features of the points.
        points: (n, axes).
        aim: What to respect and to beat.
        min_gain: Smallest worthwhile improvement, as a fraction.
    """
    mean, deviation = beliefs.gains(features)
    scale = aim.scale - aim.margin * features.joint
    log_feasible = beliefs.log_feasible(features, scale)
    worthwhile = aim.floor + math.log1p(min_gain)
    chance = special.ndtr((mean - worthwhile) / deviation) * np.exp(log_feasible)
    feasible = special.ndtr(mean / deviation) * np.exp(log_feasible)
    improvement = log_expected_improvement((mean - aim.floor) / deviation) + np.log(deviation)
    value = improvement + log_feasible
    if aim.margin:
        # A great gain must not buy a poor chance here: what is wanted is something that holds.
        hopeless = scale < _LEAST_SCALE
        poor = (log_feasible < math.log(_SAFE_CHANCE)) | hopeless
        value = np.where(poor, value - 50.0, value)
        chance = np.where(hopeless, 0.0, chance)
    return Scored(points, value, chance, feasible)


def log_expected_improvement(z: np.ndarray) -> np.ndarray:
    """log(phi(z) + z Phi(z)), also far below zero, where both terms cancel."""
    safe = np.maximum(z, -5.0)
    near = np.log(np.exp(-0.5 * safe**2) / math.sqrt(2 * math.pi) + safe * special.ndtr(safe))
    low = np.minimum(z, -5.0)
    far = -0.5 * low**2 - 0.5 * math.log(2 * math.pi) - 2 * np.log(-low) - 3 / low**2
    result: np.ndarray = np.where(z > -5.0, near, far)
    return result


def _ending(view: View, scored: Scored, target: Aim) -> Ending | None:
    told = len(view.ledger.measured)
    if view.plan.frontier or told < _LEAST_TOLD:
        return None
    small = SMALL_CHANCE if view.space.size <= LISTED else SMALL_CHANCE_OF_MANY
    if view.ledger.best is None and not target.margin:
        top = float(scored.feasible.max())
        text = f"no setting is likely to be feasible (the likeliest: {top:.1%}, after {told})"
        return Ending("infeasible", text) if top < small else None
    top = float(scored.chance.max())
    text = (
        f"no untried setting has more than {top:.1%} chance of being feasible and "
        f"{view.plan.min_gain:.0%} better"
    )
    return Ending("converged", text) if top < small else None


def _join(left: Scored, right: Scored) -> Scored:
    points = np.concatenate([left.points, right.points])
    _, first = np.unique(points, axis=0, return_index=True)
    return Scored(
        points[first],
        np.concatenate([left.score, right.score])[first],
        np.concatenate([left.chance, right.chance])[first],
        np.concatenate([left.feasible, right.feasible])[first],
    )
