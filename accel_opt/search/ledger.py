"""What the study knows: evaluations told, settings pending, settings to try again."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from accel_opt.core.measurement import Best, Limit
from accel_opt.search.records import Record


@dataclass
class Ledger:
    """The memory of a search: a pure function of the study.

    So a resumed search equals one that was never interrupted.

    Attributes:
        limits: The limits of the search.
        records: Evaluations told under the present conditions, in order; interrupted ones are
            left out, as they say nothing and are tried again.
        pending: Keys that are being evaluated now, by whomever.
        retry: Configs of evaluations that a dead process left behind, oldest first.
    """

    limits: tuple[Limit, ...]
    records: list[Record] = field(default_factory=list)
    pending: set[str] = field(default_factory=set)
    retry: list[Record] = field(default_factory=list)
    _keys: set[str] = field(default_factory=set)
    # What is derived from the records, and from how many of them: a study of thousands is not
    # gone through anew for every batch.
    _measured: list[Record] = field(default_factory=list)
    _feasible: list[Record] = field(default_factory=list)
    _derived: int = 0
    _variances: dict[str | None, list[float]] = field(default_factory=dict)
    _deviations: dict[str | None, tuple[int, tuple[float, float]]] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Takes an evaluation in."""
        self.pending.discard(record.key)
        if record.outcome == "interrupted":
            self.retry.append(record)
            return
        self.records.append(record)
        self._keys.add(record.key)

    def taken(self, key: str) -> bool:
        """Whether a setting was evaluated, has failed, or is being evaluated."""
        return key in self._keys or key in self.pending

    @property
    def measured(self) -> list[Record]:
        """Records with numbers, in order."""
        self._derive()
        return self._measured

    @property
    def feasible(self) -> list[Record]:
        """Records that may win, best first."""
        self._derive()
        return self._feasible

    def tidy(self) -> None:
        """Forgets retries that were evaluated, or are being evaluated, since."""
        self.retry = _left(self)

    def _derive(self) -> None:
        for record in self.records[self._derived :]:
            if record.measured:
                self._measured.append(record)
                for name in (None, *record.losses):
                    estimate = record.speed if name is None else record.losses[name]
                    if estimate.df >= 1:
                        self._variances.setdefault(name, []).append(estimate.se**2 * estimate.n)
            if record.feasible(self.limits):
                bisect.insort_right(self._feasible, record, key=lambda r: -r.gain.value)
        self._derived = len(self.records)

    @property
    def best(self) -> Record | None:
        """The best feasible full evaluation."""
        return next(iter(self.feasible), None)

    def failures_in_a_row(self, first: int = 0) -> int:
        """How many of the last evaluations failed, those before number `first` left out."""
        count = 0
        for record in reversed(self.records[first:]):
            if record.outcome != "failed":
                break
            count += 1
        return count

    def usual_deviation(self, metric: str | None) -> tuple[float, float]:
        """Deviation of one item's loss (or of one block's log speedup for None), and its worth.

        Returns:
            The root of the median variance over the evaluations so far, and the number of
            observations that it is worth: it counts the more, the more settings there were.
        """
        self._derive()
        variances = self._variances.get(metric, [])
        if len(variances) < 3:
            return math.nan, 0.0
        known, found = self._deviations.get(metric, (0, (math.nan, 0.0)))
        if known != len(variances):
            worth = min(2.0 + len(variances) / 2, 8.0)
            found = (math.sqrt(float(np.median(variances))), worth)
            self._deviations[metric] = (len(variances), found)
        return found

    def show(self, record: Record) -> Best:
        """The record as the façade shows it; few time blocks borrow the usual noise."""
        deviation, worth = self.usual_deviation(None)
        speed = record.speed.steadied(deviation, worth) if worth else record.speed
        return replace(record, speed=speed).best(self.limits)


def fill(ledger: Ledger, records: Iterable[Record]) -> Ledger:
    """Adds records in order; an interrupted one that was evaluated later needs no retry."""
    for record in records:
        ledger.add(record)
    ledger.tidy()
    return ledger


def _left(ledger: Ledger) -> list[Record]:
    seen: set[str] = set()
    left = []
    for record in ledger.retry:
        if not ledger.taken(record.key) and record.key not in seen:
            seen.add(record.key)
            left.append(record)
    return left
