"""What search and judge tell while they work; only the command line draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from accel_opt.core.config import Config
from accel_opt.core.measurement import Best


@dataclass(frozen=True)
class Event:
    """Base of everything that is told through `on_event=`."""


@dataclass(frozen=True)
class Notice(Event):
    """One line a person should read ("the hub is unreachable, using the cache")."""

    text: str


@dataclass(frozen=True)
class SearchStarted(Event):
    """A search begins or goes on.

    Attributes:
        study: Name of the study.
        storage: Where it is kept, secrets masked.
        trials_done: Evaluations that were there already.
        trials_total: Evaluations after which the search ends; None without a limit.
        space_size: Number of distinct settings, counted before canonical merging.
        strategy: Name of the strategy in force.
        timeout_s: Seconds after which the search ends; None without a limit.
        limits: Greatest loss allowed by metric.
    """

    study: str
    storage: str
    trials_done: int
    trials_total: int | None
    space_size: int
    strategy: str
    timeout_s: float | None = None
    limits: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialStarted(Event):
    """One setting is being measured."""

    number: int
    config: Config


@dataclass(frozen=True)
class BatchDone(Event):
    """One batch of the running trial is measured; numbers are estimates so far."""

    number: int
    items_done: int
    items_total: int
    speedup: float
    losses: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialFinished(Event):
    """A trial was told.

    Attributes:
        number: The trial's number.
        config: Its setting.
        outcome: "full", "hopeless", "dominated", "failed", "unchanged", ...
        speedup: Point estimate; nan for failed trials.
        losses: Point estimates by metric.
        feasible: Whether every constraint holds.
        best: The best feasible full evaluation so far.
        trials_done: Evaluations told so far in the study.
        reason: One sentence for a person.
    """

    number: int
    config: Config
    outcome: str
    speedup: float
    losses: dict[str, float]
    feasible: bool
    best: Best | None
    trials_done: int
    reason: str = ""


@dataclass(frozen=True)
class ConfirmStarted(Event):
    """A candidate is being measured again on held-out items.

    Attributes:
        config: The candidate.
        rank: Its place among the candidates, from 1.
        n_candidates: How many there are.
        n_items: Held-out items.
    """

    config: Config
    rank: int
    n_candidates: int
    n_items: int


@dataclass(frozen=True)
class ConfirmProgress(Event):
    """One batch of a candidate is measured; its numbers come at the end.

    Attributes:
        config: The candidate.
        done: Items measured, each pass counted.
        total: Items to measure.
        again: Batches timed once more because the speed is not steady yet; 0 before.
    """

    config: Config
    done: int
    total: int
    again: int = 0


@dataclass(frozen=True)
class ConfirmFinished(Event):
    """A candidate was borne out, or not."""

    config: Config
    confirmed: bool
    best: Best
    reason: str = ""


@dataclass(frozen=True)
class SearchFinished(Event):
    """The search is over; `why` says which rule ended it."""

    why: str
    best: Best | None
    trials_done: int


OnEvent = Callable[[Event], None]


def ignore(event: Event) -> None:
    """An `on_event` that does nothing."""
