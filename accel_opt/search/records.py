"""One evaluation as numbers, and its form in a study's attributes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from accel_opt.core.config import Config
from accel_opt.core.measurement import Best, Interval, Limit
from accel_opt.measure.statistics import Estimate

Outcome = Literal["full", "hopeless", "dominated", "slower", "unchanged", "failed", "interrupted"]
ATTRIBUTE = "record"
UNKNOWN = Estimate(math.nan, math.inf, 0, 0)


@dataclass(frozen=True)
class Record:
    """What became of one setting.

    Attributes:
        number: The trial's number in the study.
        config: The setting.
        key: Its canonical key.
        outcome: "full" when every item was measured; else what ended it.
        point: Its place in the space.
        reason: The outcome in words.
        gain: Log of the objective.
        speed: Log of the measured speedup.
        losses: Loss of each metric.
        latency_s: Seconds per item with the setting.
        baseline_latency_s: Seconds per item of the baseline beside it.
        n_items: Items measured.
        wall_s: Seconds that the evaluation took.
        epoch: How often the study's conditions had changed before.
    """

    number: int
    config: Config
    key: str
    outcome: Outcome
    point: tuple[int, ...] = ()
    reason: str = ""
    gain: Estimate = UNKNOWN
    speed: Estimate = UNKNOWN
    losses: Mapping[str, Estimate] = field(default_factory=dict)
    latency_s: float = math.nan
    baseline_latency_s: float = math.nan
    n_items: int = 0
    wall_s: float = 0.0
    epoch: int = 0

    @property
    def measured(self) -> bool:
        """Whether there are numbers to learn from."""
        return self.gain.n > 0 and self.outcome not in ("failed", "interrupted")

    @property
    def eligible(self) -> bool:
        """Whether it is faster than the baseline and changes something."""
        return self.measured and self.outcome not in ("unchanged", "slower") and self.gain.value > 0

    def within(self, limits: tuple[Limit, ...]) -> bool:
        """Whether every loss is known and inside its limit."""
        return self.measured and all(
            limit.metric in self.losses and self.losses[limit.metric].value <= limit.limit
            for limit in limits
        )

    def feasible(self, limits: tuple[Limit, ...]) -> bool:
        """Whether it may win: fully evaluated, faster, every loss inside its limit."""
        return self.outcome == "full" and self.eligible and self.within(limits)

    def best(self, limits: tuple[Limit, ...]) -> Best:
        """The record as the façade shows it."""
        losses = {name: estimate.interval() for name, estimate in self.losses.items()}
        nothing = Interval(math.nan, math.nan, math.nan, 0)
        return Best(
            config=self.config,
            speedup=self.speed.log_interval(),
            score_loss=losses.get(limits[0].metric, nothing),
            latency_s=self.latency_s,
            baseline_latency_s=self.baseline_latency_s,
            key=self.key,
            losses=losses,
            trial=self.number,
            value=math.exp(self.gain.value),
        )

    def to_text(self) -> str:
        """Compact JSON for the trial's attribute."""
        data = {
            "config": self.config.to_dict(),
            "key": self.key,
            "outcome": self.outcome,
            "point": list(self.point),
            "reason": self.reason,
            "gain": _pack(self.gain),
            "speed": _pack(self.speed),
            "losses": {name: _pack(e) for name, e in self.losses.items()},
            "latency_s": _plain(self.latency_s),
            "baseline_latency_s": _plain(self.baseline_latency_s),
            "n_items": self.n_items,
            "wall_s": round(self.wall_s, 4),
            "epoch": self.epoch,
        }
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_text(cls, number: int, text: str) -> Record:
        """The record that `to_text` wrote."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            number=number,
            config=Config(data["config"]),
            key=data["key"],
            outcome=data["outcome"],
            point=tuple(data["point"]),
            reason=data["reason"],
            gain=_unpack(data["gain"]),
            speed=_unpack(data["speed"]),
            losses={name: _unpack(e) for name, e in data["losses"].items()},
            latency_s=_number(data["latency_s"]),
            baseline_latency_s=_number(data["baseline_latency_s"]),
            n_items=data["n_items"],
            wall_s=data["wall_s"],
            epoch=data["epoch"],
        )


def _pack(estimate: Estimate) -> list[float | None]:
    return [_plain(estimate.value), _plain(estimate.se), estimate.df, estimate.n]


def _unpack(data: list[Any]) -> Estimate:
    value, se, df, n = data
    return Estimate(_number(value), math.inf if se is None else se, df, n)


def _plain(value: float) -> float | None:
    # JSON has neither nan nor inf; a full float comes back bit for bit.
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value
