"""What the model believes of speed and loss, before and after the evaluations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from accel_opt.core.measurement import Limit
from accel_opt.search.ledger import Ledger
from accel_opt.search.records import Record
from accel_opt.search.strategies.features import Features, Featurizer
from accel_opt.search.strategies.surrogate import Prior, Surrogate

# Losses are modelled in units of their limit; beyond this many limits only their order matters.
_BEND = 1.5
# A fit takes the cube of what it learns from: of long studies it takes the part that says most.
_WINDOW = 160
_BLOCK_DEVIATION = 0.05
_ITEM_DEVIATION = 2.0


@dataclass(frozen=True)
class Beliefs:
    """Posteriors of the objective and of every loss.

    Attributes:
        gain: Log of the objective.
        losses: One for each limit, in units of the limit, bent.
    """

    gain: Surrogate
    losses: tuple[Surrogate, ...]

    def gains(self, features: Features) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of the log objective."""
        return self.gain.predict(features, gain_features(features))

    def log_feasible(self, features: Features, scale: float | np.ndarray = 1.0) -> np.ndarray:
        """Log of the probability that every loss is within its limit.

        Args:
            features: Features of the points.
            scale: The first limit is multiplied by this, a number or one of each point.
        """
        total = np.zeros(len(features))
        for i, model in enumerate(self.losses):
            mean, deviation = model.predict(features, loss_features(features))
            top = scale if i == 0 else 1.0
            total += special.log_ndtr((top - mean) / deviation)
        return total


def learn(featurize: Featurizer, ledger: Ledger, population: int | None) -> Beliefs:
    """Fits all models to the evaluations so far.

    Args:
        featurize: Makes features.
        ledger: The evaluations.
        population: Items whose loss is asked for, when a full evaluation measures them all;
            None when it is the loss on other items that counts, as confirmation asks.
    """
    records = telling(ledger)
    points = np.array([record.point for record in records], dtype=int)
    features = featurize(points.reshape(-1, len(featurize.space.axes)))
    gains = np.array([record.gain.value for record in records])
    errors = np.array([_gain_error(record, ledger) for record in records])
    gain = Surrogate(
        features, gain_features(features), gains, errors, _gain_prior(features, featurize.counted)
    )
    losses = tuple(_learn_loss(features, records, ledger, li, population) for li in ledger.limits)
    return Beliefs(gain, losses)


def telling(ledger: Ledger) -> list[Record]:
    """The evaluations to learn from: all, or of many the best, the undecided and the latest.

    Half of the window are those that are feasible and fastest, a quarter those whose first loss
    is nearest to its limit, the rest the latest ones, in the order in which they were told.
    """
    records = ledger.measured
    if len(records) <= _WINDOW:
        return records
    limit = ledger.limits[0]
    near = sorted(records, key=lambda r: abs(r.losses[limit.metric].value - limit.limit))
    wanted = [
        *ledger.feasible[: _WINDOW // 2],
        *near[: _WINDOW // 4],
        *reversed(records[-_WINDOW:]),
    ]
    chosen = list(dict.fromkeys(record.number for record in wanted))[:_WINDOW]
    numbers = set(chosen)
    return [record for record in records if record.number in numbers]


def gain_features(features: Features) -> np.ndarray:
    """(n, q): per accelerator on and saved work, then every parameter's harshness."""
    return np.hstack([features.on, features.saved, features.harsh])


def loss_features(features: Features) -> np.ndarray:
    """(n, q): as for the gain, with the square of the harshness, for losses grow steeply."""
    return np.hstack([features.on, features.saved, features.harsh, features.harsh**2])


def _gain_prior(features: Features, counted: bool) -> Prior:
    n_on, n_axes = features.on.shape[1], features.harsh.shape[1]
    per_axis = 0.0 if counted else 0.15
    mean = [np.full(n_on, 0.0), np.full(n_on, 0.85), np.full(n_axes, per_axis)]
    loose = 0.06 if counted else 0.2
    deviation = [np.full(n_on, 0.08), np.full(n_on, 0.25), np.full(n_axes, loose)]
    smooth = 0.05 if counted else 0.12
    return Prior(
        np.concatenate(mean), np.concatenate(deviation), smooth, smooth / 2, length=0.7, noise=0.008
    )


def _loss_prior(features: Features) -> Prior:
    n_on, n_axes = features.on.shape[1], features.harsh.shape[1]
    axes_of = np.bincount(features.owner, minlength=n_on)[features.owner]
    mean = [np.full(n_on, 0.1), np.full(n_on, 0.2), 0.3 / axes_of, 0.6 / axes_of]
    deviation = [np.full(n_on, 0.2), np.full(n_on, 0.6), np.full(n_axes, 0.4), np.full(n_axes, 0.4)]
    return Prior(np.concatenate(mean), np.concatenate(deviation), 0.3, 0.2, length=0.7, noise=0.1)


def _learn_loss(
    features: Features,
    records: Sequence[Record],
    ledger: Ledger,
    limit: Limit,
    population: int | None,
) -> Surrogate:
    unit = abs(limit.limit) or 1.0
    usual, _ = ledger.usual_deviation(limit.metric)
    usual = usual if math.isfinite(usual) else _ITEM_DEVIATION * unit
    values, errors = [], []
    for record in records:
        loss = record.losses[limit.metric]
        steady = loss.steadied(usual, 4.0)
        if population is not None:
            steady = steady.within(max(population, loss.n))
        in_units = 1.0 + (loss.value - limit.limit) / unit
        bent, slope = bend(in_units)
        values.append(bent)
        errors.append(steady.se / unit * slope)
    linear = loss_features(features)
    return Surrogate(features, linear, np.array(values), np.array(errors), _loss_prior(features))


def bend(units: float) -> tuple[float, float]:
    """A loss in units of its limit, compressed above `_BEND`; and the slope there."""
    if units <= _BEND:
        return max(units, -_BEND), 1.0
    return _BEND + math.log1p(units - _BEND), 1 / (1 + units - _BEND)


def _gain_error(record: Record, ledger: Ledger) -> float:
    if record.gain.se == 0:
        return 0.0
    usual, _ = ledger.usual_deviation(None)
    usual = usual if math.isfinite(usual) else _BLOCK_DEVIATION
    return record.gain.steadied(usual, 4.0).se
