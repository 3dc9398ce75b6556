"""Results measured elsewhere, kept in a study: tried first here, never taken for measured here.

A foreign result is a finished trial without parameters and without a record: the ledger, and so
every strategy and every winner, knows only what was measured under the study's own conditions.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from accel_opt.core.config import Config
from accel_opt.core.dims import Number
from accel_opt.search.space import Space

if TYPE_CHECKING:
    import optuna

FOREIGN = "foreign"


@dataclass(frozen=True)
class ForeignResult:
    """What somebody else measured.

    Attributes:
        config: The setting.
        speedup: Its speedup there.
        score_loss: Its score loss there; None when it is not known.
        source: Where it comes from, such as a file and a key in it.
        trial: Number of its trial; None before it is one.
    """

    config: Config
    speedup: float
    score_loss: float | None
    source: str
    trial: int | None = field(default=None, compare=False)

    def to_text(self) -> str:
        """Compact JSON for the trial's attribute."""
        data = {
            "config": self.config.to_dict(),
            "speedup": self.speedup,
            "score_loss": self.score_loss,
            "source": self.source,
        }
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> ForeignResult:
        """The result that `to_text` wrote."""
        data: dict[str, Any] = json.loads(text)
        return cls(Config(data["config"]), data["speedup"], data["score_loss"], data["source"])


def add_foreign(study: optuna.Study, results: Iterable[ForeignResult]) -> list[ForeignResult]:
    """Adds results as finished trials, marked as foreign; each setting once, the fastest.

    Returns:
        Those that were not there yet.
    """
    from optuna.trial import TrialState, create_trial

    there = {result.config for result in foreign_results(study)}
    added = []
    for result in sorted(results, key=lambda r: (-r.speedup, r.config.key)):
        if result.config in there:
            continue
        there.add(result.config)
        values = [result.speedup, result.score_loss or 0.0][: len(study.directions)]
        trial = create_trial(
            state=TrialState.COMPLETE,
            values=values,
            user_attrs={
                FOREIGN: result.to_text(),
                "setting": str(result.config),
                "outcome": f"foreign: measured elsewhere ({result.source})",
            },
            # Optuna takes a complete trial without constraints for feasible, and for the best.
            constraints={"ineligible": 1.0},
        )
        study.add_trial(trial)
        added.append(result)
    return added


def is_foreign(trial: optuna.trial.FrozenTrial) -> bool:
    """Whether a trial was imported."""
    return FOREIGN in trial.user_attrs


def foreign_results(study: optuna.Study) -> list[ForeignResult]:
    """The imported results of a study, fastest first."""
    trials = study.get_trials(deepcopy=False)
    found = [
        replace(ForeignResult.from_text(t.user_attrs[FOREIGN]), trial=t.number)
        for t in trials
        if is_foreign(t)
    ]
    return sorted(found, key=lambda r: (-r.speedup, r.config.key))


def seeded(space: Space, study: optuna.Study) -> Space:
    """The space with a study's imported settings before its presets, as near as it has them."""
    fitted = (_fitted(space, result.config) for result in foreign_results(study))
    first = tuple(dict.fromkeys(config for config in fitted if config is not None))
    return replace(space, presets=(*first, *space.presets)) if first else space


def _fitted(space: Space, config: Config) -> Config | None:
    """The setting of the space nearest to a config; None when it lacks its accelerators."""
    if space.encode(config) is not None:
        return config
    settings: dict[str, dict[str, Number]] = {}
    for axis in space.axes:
        wanted = (
            config[axis.accelerator].get(axis.parameter) if axis.accelerator in config else None
        )
        if wanted is None:
            continue
        values = [value for value in axis.values if value is not None]
        # Of two as near, the harsher: ToMe's 0.75, which 0.8 and 0.9 come to, lies at 0.8.
        nearest = min(reversed(values), key=lambda value: round(abs(value - wanted), 9))
        settings.setdefault(axis.accelerator, {})[axis.parameter] = nearest
    fitted = Config(settings)
    return fitted if set(fitted) == set(config) and space.encode(fitted) is not None else None
