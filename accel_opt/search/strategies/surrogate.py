"""A small Gaussian process with a parametric mean, made for additive structure.

Accelerators multiply in speed and add up in loss, nearly. So the covariance is a sum: a linear
part in the features with a prior on its weights, one Matern-5/2 part for each accelerator that
vanishes where it is off, and a weak part for everything jointly. Observations carry the noise
that was measured with them, so that an evaluation stopped after one batch counts for little.

Reference: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), 2.7 and 4.2;
additive kernels: Duvenaud, Nickisch, Rasmussen, Additive Gaussian Processes (2011).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from accel_opt.search.strategies.features import Features

# Steps of the search for scales, in logs; each scale has a log-normal prior of this width.
_STEPS = (0.9, 0.45)
_PRIOR_SD = 0.8
_NAMES = ("linear", "parts", "joint", "length", "noise")


@dataclass(frozen=True)
class Prior:
    """What is believed before the first observation.

    Attributes:
        mean: (q,) weights of the linear features.
        deviation: (q,) their standard deviations.
        parts: Standard deviation of each accelerator's own smooth part.
        joint: Standard deviation of the joint part.
        length: Length scale in units of a parameter's whole range.
        noise: Standard deviation that repeated full evaluations would show beyond their own.
    """

    mean: np.ndarray
    deviation: np.ndarray
    parts: float
    joint: float
    length: float
    noise: float


class Surrogate:
    """Posterior of one quantity over the space.

    Args:
        features: Features of the observed points.
        linear: (n, q) their linear features.
        y: (n,) observations.
        noise: (n,) standard errors of the observations.
        prior: What is believed beforehand.
    """

    def __init__(
        self, features: Features, linear: np.ndarray, y: np.ndarray, noise: np.ndarray, prior: Prior
    ) -> None:
        self._features, self._linear, self._prior = features, linear, prior
        self._distances = _distances(features, features)
        self._on = _on(features, features)
        self._weighted = linear * prior.deviation
        self._gram = self._weighted @ self._weighted.T
        self._residual = y - linear @ prior.mean
        self._noise2 = noise**2
        self._scales = self._fit() if len(y) > 2 else np.zeros(len(_NAMES))
        if len(y):
            self._factor, self._alpha = self._solve(self._scales)

    def predict(self, features: Features, linear: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Posterior mean and standard deviation, observation noise left out."""
        on = _on(features, self._features)
        weighted = linear * self._prior.deviation
        if not len(self._residual):
            return linear @ self._prior.mean, np.sqrt(self._own_variance(features, weighted))
        cross = self._covariance(
            self._scales, weighted @ self._weighted.T, on, _distances(features, self._features)
        )
        mean = linear @ self._prior.mean + cross @ self._alpha
        half = linalg.solve_triangular(self._factor, cross.T, lower=True, check_finite=False)
        own = self._own_variance(features, weighted)
        return mean, np.sqrt(np.maximum(own - (half**2).sum(axis=0), 1e-12))

    def _own_variance(self, features: Features, weighted: np.ndarray) -> np.ndarray:
        linear, parts, joint = np.exp(self._scales[:3])
        variance: np.ndarray = (
            linear**2 * (weighted**2).sum(axis=1)
            + (parts * self._prior.parts) ** 2 * features.on.sum(axis=1)
            + (joint * self._prior.joint) ** 2
        )
        return variance

    def _covariance(
        self, scales: np.ndarray, gram: np.ndarray, on: np.ndarray, distances: np.ndarray
    ) -> np.ndarray:
        linear, parts, joint, length, _ = np.exp(scales)
        smooth = _matern(distances / (length * self._prior.length) ** 2)
        own = (on * smooth[:-1]).sum(axis=0)
        total: np.ndarray = (
            linear**2 * gram
            + (parts * self._prior.parts) ** 2 * own
            + (joint * self._prior.joint) ** 2 * smooth[-1]
        )
        return total

    def _solve(self, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cover = self._covariance(scales, self._gram, self._on, self._distances)
        noise = (math.exp(scales[4]) * self._prior.noise) ** 2
        cover[np.diag_indices_from(cover)] += self._noise2 + noise + 1e-10
        factor = linalg.cholesky(cover, lower=True, check_finite=False)
        alpha = linalg.cho_solve((factor, True), self._residual, check_finite=False)
        return factor, alpha

    def _cost(self, scales: np.ndarray) -> float:
        try:
            factor, alpha = self._solve(scales)
        except linalg.LinAlgError:
            return math.inf
        fit = 0.5 * float(self._residual @ alpha) + float(np.log(np.diag(factor)).sum())
        return fit + 0.5 * float(((scales / _PRIOR_SD) ** 2).sum())

    def _fit(self) -> np.ndarray:
        """Most probable scales by a coordinate search: few steps, no randomness."""
        scales = np.zeros(len(_NAMES))
        cost = self._cost(scales)
        for step in _STEPS:
            for i in range(len(_NAMES)):
                for sign in (1.0, -1.0):
                    trial = scales.copy()
                    trial[i] += sign * step
                    found = self._cost(trial)
                    if found < cost:
                        scales, cost = trial, found
                        break
        return scales


def _matern(squared: np.ndarray) -> np.ndarray:
    scaled = np.sqrt(5 * squared)
    result: np.ndarray = (1 + scaled + scaled**2 / 3) * np.exp(-scaled)
    return result


def _distances(left: Features, right: Features) -> np.ndarray:
    """Squared distances (accelerators + 1, n, m): within each accelerator, then over all."""
    own = [
        _squared(left.harsh[:, left.owner == a], right.harsh[:, right.owner == a])
        for a in range(left.on.shape[1])
    ]
    switched = _squared(left.on, right.on)
    return np.stack([*own, np.sum(own, axis=0) + switched])


def _squared(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    product = left @ right.T
    total = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :] - 2 * product
    clipped: np.ndarray = np.maximum(total, 0.0)
    return clipped


def _on(left: Features, right: Features) -> np.ndarray:
    """(accelerators, n, m): 1 where both points have it on."""
    both: np.ndarray = np.einsum("na,ma->anm", left.on, right.on)
    return both
