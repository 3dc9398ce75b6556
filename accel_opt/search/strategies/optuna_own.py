"""Optuna's own samplers as strategies: TPE, and the GP that ours is compared with."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from accel_opt.search.foreign import is_foreign
from accel_opt.search.space import Space
from accel_opt.search.strategies.base import (
    Proposal,
    View,
    any_free,
    free,
    nearest_free,
    presets,
)

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution


# Samplers' time grows with the trials they look at; older ones say little more.
_WINDOW = 1000


class OptunaSampler:
    """Asks one of Optuna's samplers, and moves to the nearest untried setting after repeats.

    Args:
        name: "tpe" or "optuna-gp".
    """

    def __init__(self, name: str) -> None:
        self.name = name
        # Optuna's GP never sees pruned trials and would suggest the same point again.
        self.tells_pruned = name == "tpe"

    def propose(self, view: View) -> Proposal:
        """See Strategy."""
        first = presets(view)
        if first:
            return first[0]
        seed = int(view.rng.integers(2**31))
        params = suggest(self._sampler(seed), view.study, distributions(view.space))
        point = view.space.point_of(params) if params else None
        if point is None:
            return any_free(view)
        return free(view, point) or nearest_free(view, view.space.normal(point))

    def _sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        import optuna

        if self.name == "tpe":
            return optuna.samplers.TPESampler(seed=seed)
        return optuna.samplers.GPSampler(seed=seed)


def suggest(
    sampler: optuna.samplers.BaseSampler,
    study: optuna.Study,
    space: dict[str, BaseDistribution],
) -> dict[str, float]:
    """What a sampler would suggest, without starting a trial.

    It asks a copy of the study in memory, as samplers write notes into the trial they are asked
    for, and there is none before its setting is known to be new.
    """
    import optuna

    copy = optuna.create_study(directions=study.directions, sampler=sampler)
    trials = [trial for trial in study.get_trials(deepcopy=False) if not is_foreign(trial)]
    for trial in trials[-_WINDOW:]:
        copy._storage.create_new_trial(copy._study_id, template_trial=trial)  # noqa: SLF001
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(copy.ask(space).params)


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The space as Optuna sees it: flat ordinals; "off" is the number beyond the mild end."""
    from optuna.distributions import FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for axis in space.axes:
        low, high = min(axis.numbers), max(axis.numbers)
        step = (high - low) / max(1, len(axis.numbers) - 1)
        if all(isinstance(number, int) for number in axis.numbers):
            found[axis.label] = IntDistribution(int(low), int(high), step=max(1, round(step)))
        elif low == high:
            found[axis.label] = FloatDistribution(low, high)
        else:
            found[axis.label] = FloatDistribution(low, high, step=round(step, 10))
    return found
