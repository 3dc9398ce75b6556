"""What the model makes of the losses of settings that were measured: noise smoothed out."""

from __future__ import annotations

import numpy as np

from accel_opt.search.ledger import Ledger
from accel_opt.search.space import Space
from accel_opt.search.strategies.beliefs import learn, loss_features
from accel_opt.search.strategies.features import Featurizer

# Fewer evaluations than this teach a model nothing that the numbers themselves do not say.
_LEAST = 6


def expected_losses(space: Space, ledger: Ledger) -> dict[str, dict[str, tuple[float, float]]]:
    """Mean and deviation of each loss on other items, by key and metric.

    A setting that looks good among many is lucky; its neighbours in the space know how lucky.
    """
    records = ledger.feasible
    if len(ledger.measured) < _LEAST or not records:
        return {}
    featurize = Featurizer(space)
    beliefs = learn(featurize, ledger, None)
    features = featurize(np.array([record.point for record in records]))
    found: dict[str, dict[str, tuple[float, float]]] = {record.key: {} for record in records}
    for limit, model in zip(ledger.limits, beliefs.losses, strict=True):
        unit = abs(limit.limit) or 1.0
        mean, deviation = model.predict(features, loss_features(features))
        for record, value, error in zip(records, mean, deviation, strict=True):
            loss = limit.limit + (float(value) - 1.0) * unit
            found[record.key][limit.metric] = (loss, float(error) * unit)
    return found
