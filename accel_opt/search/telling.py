"""How an evaluation is written into the study: values, constraints, attributes.

Every trial gets every constraint exactly once, in the same order and finite: Optuna keeps the
first value it is given, takes a complete trial without one for feasible, and its GP sampler
matches constraints by position.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from accel_opt.core.measurement import Limit
from accel_opt.search.plan import SearchPlan
from accel_opt.search.records import ATTRIBUTE, Record
from accel_opt.search.trials import Running, finish

INELIGIBLE = "ineligible"
# A trial without numbers counts as violating every limit by this much.
_FAILED_VIOLATION = 1.0
_STOPPED = ("hopeless", "dominated", "slower", "unchanged")


def constraints(record: Record, limits: tuple[Limit, ...]) -> dict[str, float]:
    """Constraint values of a record; feasible where all are <= 0."""
    found = {}
    for limit in limits:
        loss = record.losses.get(limit.metric)
        known = record.measured and loss is not None and math.isfinite(loss.value)
        value = loss.value - limit.limit if known and loss is not None else _FAILED_VIOLATION
        found[f"{limit.metric}_loss"] = value
    found[INELIGIBLE] = -1.0 if record.eligible else 1.0
    return found


def tell(
    trial: Running,
    record: Record,
    plan: SearchPlan,
    *,
    pruned: bool,
    written: frozenset[str] = frozenset(),
) -> None:
    """Writes a record into its trial and closes it.

    Args:
        trial: The running trial.
        record: What became of it.
        plan: Limits and whether there are two objectives.
        pruned: Whether the sampler in force learns from pruned trials; else a stopped one is
            told complete with its estimates.
        written: Constraints that the trial has already.

    Raises:
        UpdateFinishedTrialError: Somebody else has closed it.
    """
    from optuna.trial import TrialState

    attributes: dict[str, Any] = {"outcome": f"{record.outcome}: {record.reason}"}
    if record.measured:
        attributes["measured"] = _shown(record, plan.limits)
    attributes[ATTRIBUTE] = record.to_text()
    found = constraints(record, plan.limits)
    left = {name: value for name, value in found.items() if name not in written}
    if not record.measured:
        finish(trial, attributes, left, TrialState.FAIL)
    elif record.outcome in _STOPPED and pruned and not plan.frontier:
        finish(trial, attributes, left, TrialState.PRUNED)
    else:
        finish(trial, attributes, left, TrialState.COMPLETE, values(record, plan))


def _shown(record: Record, limits: tuple[Limit, ...]) -> dict[str, float | bool]:
    """What a person looks for in a dashboard."""
    losses = {f"{name}_loss": round(loss.value, 5) for name, loss in record.losses.items()}
    speedup = round(math.exp(record.speed.value), 4)
    return {"speedup": speedup, **losses, "feasible": record.feasible(limits)}


def values(record: Record, plan: SearchPlan) -> list[float]:
    """Objective values: the gain, and in frontier mode the first loss beside it."""
    gain = math.exp(record.gain.value)
    if not plan.frontier:
        return [gain]
    return [gain, record.losses[plan.limits[0].metric].value]


def directions(plan: SearchPlan) -> list[Literal["minimize", "maximize"]]:
    """Directions of the study's objectives."""
    return ["maximize", "minimize"] if plan.frontier else ["maximize"]
