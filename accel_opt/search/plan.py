"""What a search shall do: limits, budget, target, strategy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from accel_opt.core.errors import InputError, UnknownNameError
from accel_opt.core.measurement import Limit

Objective = Literal["speedup", "flops", "memory"]
STRATEGIES = (
    "auto",
    "enumerate",
    "gp",
    "optuna-gp",
    "random",
    "tpe",
    "traversal",
    "traversal-skip",
)


@dataclass(frozen=True)
class SearchPlan:
    """The conditions of a search; the façade and the command line fill it.

    Attributes:
        limits: What may be lost, metric by metric; the first one is the score loss.
        n_items: Items (prompts) of a full evaluation.
        batch_size: Items of one batch.
        confirm_items: Held-out items that there are for confirmation.
        objective: What is maximised: measured speedup, counted FLOPs (baseline over accelerated),
            or peak memory (baseline over accelerated).
        trials: Evaluations after which the search ends, those already in the study included.
        timeout_s: Seconds for the search, confirmation not counted; an evaluation that cannot
            be expected to finish is not started.
        confirm_timeout_s: Seconds for the confirmation; it limits the number of items.
        strategy: One of `STRATEGIES`.
        seed: Seed of the study and of the generator for every search batch.
        target_speedup: Stop at the first feasible setting this fast.
        target_latency_s: The same, as seconds per item.
        frontier: Spread over the front of speedup and first loss instead of its fastest end.
        confirm: Measure the best again on held-out items and other seeds.
        confirm_candidates: How many settings may be tried at confirmation (K).
        stop_early: Whether poor settings are stopped after a batch.
        wrong_stop_rate: Greatest probability that a feasible improvement is stopped early.
        min_gain: Improvements smaller than this fraction are not worth another evaluation.
        trial_timeout_s: Seconds after which an evaluation counts as hung; needs an evaluator
            given as "module:function".
        max_failures: Failed evaluations in a row that end the search.
        infeasible_after: Evaluations without a feasible one after which the search gives up.
        conditions: What the measurements depend on (machine, versions, model, ...), by name;
            plain JSON values.
        attributes: What else is kept with the study for those who read it later.
        allow_drift: Go on under other conditions; earlier measurements are set aside.
        out: Folder for sample images where the study's database is no file; None is
            ./studies/<study>.
    """

    limits: tuple[Limit, ...]
    n_items: int = 32
    batch_size: int = 8
    confirm_items: int = 32
    objective: Objective = "speedup"
    trials: int | None = None
    timeout_s: float | None = None
    confirm_timeout_s: float | None = None
    strategy: str = "auto"
    seed: int = 42
    target_speedup: float | None = None
    target_latency_s: float | None = None
    frontier: bool = False
    confirm: bool = True
    confirm_candidates: int = 3
    stop_early: bool = True
    wrong_stop_rate: float = 0.01
    min_gain: float = 0.01
    trial_timeout_s: float | None = None
    max_failures: int = 5
    infeasible_after: int = 60
    conditions: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    allow_drift: bool = False
    out: Path | None = None

    def __post_init__(self) -> None:
        _check_numbers(self)
        _check_names(self)
        if self.target_speedup is not None and self.target_latency_s is not None:
            raise InputError("give a target speedup or a target latency, not both")
        if self.target_speedup is not None and not 1 < self.target_speedup < math.inf:
            raise InputError(
                f"target speedup {self.target_speedup!r} is not above 1; 2.0 asks for half the time"
            )
        has_target = self.target_speedup is not None or self.target_latency_s is not None
        if has_target and self.frontier:
            raise InputError("a target asks for one setting, a frontier for many; give one of them")
        if has_target and self.objective != "speedup":
            raise InputError(f"a target is a measured one; it cannot go with {self.objective!r}")

    @property
    def has_target(self) -> bool:
        """Whether the search stops at the first setting that is fast enough."""
        return self.target_speedup is not None or self.target_latency_s is not None

    def meets_target(self, speedup: float, latency_s: float) -> bool:
        """Whether a speed is what was asked for; true without a target."""
        if self.target_speedup is not None:
            return speedup >= self.target_speedup
        return self.target_latency_s is None or latency_s <= self.target_latency_s

    @property
    def n_batches(self) -> int:
        """Batches of a full evaluation."""
        return -(-self.n_items // self.batch_size)


def _check_numbers(plan: SearchPlan) -> None:
    for name in ("n_items", "batch_size", "confirm_candidates", "max_failures", "infeasible_after"):
        value = getattr(plan, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name}={value!r} is not a whole number of at least 1")
    if plan.trials is not None and plan.trials < 1:
        raise InputError(f"trials={plan.trials!r} is not at least 1")
    for name in ("timeout_s", "confirm_timeout_s", "trial_timeout_s", "target_latency_s"):
        seconds = getattr(plan, name)
        if seconds is not None and not 0 < seconds < math.inf:
            raise InputError(f"{name}={seconds!r} is not a positive number of seconds")
    if not 0 < plan.wrong_stop_rate < 0.5:
        raise InputError(f"wrong_stop_rate={plan.wrong_stop_rate!r} is not between 0 and 0.5")


def _check_names(plan: SearchPlan) -> None:
    if plan.strategy not in STRATEGIES:
        raise UnknownNameError("strategy", plan.strategy, STRATEGIES)
    if plan.objective not in get_args(Objective):
        raise UnknownNameError("objective", plan.objective, get_args(Objective))
    names = [limit.metric for limit in plan.limits]
    if len(set(names)) != len(names):
        raise InputError(f"a metric has two limits: {', '.join(sorted(names))}")
    if not names:
        what = "a frontier has two axes" if plan.frontier else "speed alone has no bound"
        raise InputError(f"{what}: give a limit for at least one metric, such as clip=0.02")
    if {"ineligible"} & set(names):
        raise InputError("a metric cannot be called 'ineligible'")
