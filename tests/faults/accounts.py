"""What must hold of a study whatever befell it."""

from __future__ import annotations

import collections
import json

import optuna

from accel_opt.search.records import ATTRIBUTE
from accel_opt.search.storage import open_storage

CONSTRAINTS = {"clip_loss", "ineligible"}


def study_of(url: str, name: str = "siege") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=open_storage(url))


def account(url: str, acknowledged=(), name: str = "siege") -> dict[str, int]:
    """Trials lost, duplicates, zombies, and trials that are not whole; all must be 0.

    Args:
        url: The storage.
        acknowledged: Numbers of the trials that a worker was told are finished.
        name: Name of the study.
    """
    trials = study_of(url, name).get_trials(deepcopy=False)
    complete = [t for t in trials if t.state == optuna.trial.TrialState.COMPLETE]
    done = {t.number for t in complete}
    keys = collections.Counter(json.loads(t.user_attrs[ATTRIBUTE])["key"] for t in complete)
    return {
        "lost": len(set(acknowledged) - done),
        "duplicates": sum(count - 1 for count in keys.values()),
        "zombies": sum(not t.state.is_finished() for t in trials),
        "not whole": sum(not whole(t) for t in complete),
        "completed": len(complete),
        "interrupted": len(trials) - len(complete),
    }


def whole(trial: optuna.trial.FrozenTrial) -> bool:
    """Whether everything that belongs to a finished trial is there."""
    return (
        set(trial.constraints) == CONSTRAINTS
        and {"outcome", "measured", "setting", "lease", ATTRIBUTE} <= set(trial.user_attrs)
        and trial.values is not None
    )


def assert_sound(found: dict[str, int]) -> None:
    faults = {name: found[name] for name in ("lost", "duplicates", "zombies", "not whole")}
    assert not any(faults.values()), found
