"""What measuring gives: batches, intervals, and the winner of a search.

These are the types of the seam: anything that can turn a `Config` and a `Batch` into a
`BatchMeasurement` can be searched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from accel_opt.core.config import Config
from accel_opt.core.errors import InputError

Phase = Literal["search", "confirm"]


@dataclass(frozen=True)
class Batch:
    """Which items an evaluator shall generate now.

    Attributes:
        index: Position of the batch within the evaluation, from 0.
        item_ids: Numbers of the prompts within the phase's prompt list, from 0.
        seed: Seed of the generator for this batch.
        phase: "search" or "confirm" (held-out prompts and other seeds).
        timed: Whether the baseline's time is wanted beside this batch; giving it always is no
            fault, but costs as much as the batch itself.
    """

    index: int
    item_ids: tuple[int, ...]
    seed: int
    phase: Phase = "search"
    timed: bool = True


@dataclass(frozen=True)
class BatchMeasurement:
    """One batch of one setting beside the baseline.

    Attributes:
        seconds: Wall-clock seconds of the accelerated batch, one value per timed call. Empty
            when something else ran beside the call; that of a timed batch never does.
        baseline_seconds: The same of the baseline, timed in ABBA order beside it: either two
            calls each way around one batch, or one each, whose order alternates from batch to
            batch. Empty when the baseline was not timed beside this batch.
        scores: Per metric, one value per item of the batch.
        baseline_scores: The same of the baseline, in the same order.
        peak_memory_mib: Peak device memory of the accelerated calls, when known.
        baseline_peak_memory_mib: The same of the baseline's calls, when known.
        artifacts: Paths of files worth keeping with the trial (sample images), by name.
        unchanged: True when the output equals the baseline's bit for bit.
        note: What a person should know of how it was measured; "" when nothing.
    """

    seconds: tuple[float, ...]
    baseline_seconds: tuple[float, ...]
    scores: dict[str, tuple[float, ...]] = field(default_factory=dict)
    baseline_scores: dict[str, tuple[float, ...]] = field(default_factory=dict)
    peak_memory_mib: float | None = None
    artifacts: dict[str, str] = field(default_factory=dict)
    unchanged: bool = False
    baseline_peak_memory_mib: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Limit:
    """How much of one metric a setting may lose.

    With `relative` the loss is one minus the ratio of the means (CLIP: 0.02 is two percent).
    Otherwise it is the mean difference to the baseline's score, in the metric's own unit.
    A metric that compares with the baseline's image has a known score for the baseline itself,
    `perfect`: SSIM 1.0, so that a limit of 0.3 asks for a mean SSIM of at least 0.7; LPIPS 0.0
    with `higher_is_better=False`. PSNR has no finite one: with `perfect=0.0` its loss is -PSNR,
    and a limit of -30 asks for at least 30 dB.

    Attributes:
        metric: Name of the metric in `BatchMeasurement.scores`.
        limit: Greatest loss allowed, equality included.
        relative: Whether the loss is relative to the baseline's mean.
        higher_is_better: False for distances, such as LPIPS.
        perfect: The score of a perfect copy of the baseline, used in place of
            `baseline_scores`; None for metrics that score the baseline itself.
    """

    metric: str
    limit: float
    relative: bool = True
    higher_is_better: bool = True
    perfect: float | None = None

    def __post_init__(self) -> None:
        if not self.metric:
            raise InputError("a limit needs the name of a metric, such as clip")
        if isinstance(self.limit, bool) or not isinstance(self.limit, int | float):
            raise InputError(f"limit of {self.metric}: {self.limit!r} is not a number")
        if self.relative and not 0 < self.limit < 1:
            raise InputError(
                f"limit of {self.metric}: {self.limit!r} is not between 0 and 1; "
                "0.02 allows a loss of two percent"
            )
        if not abs(self.limit) < float("inf"):
            raise InputError(f"limit of {self.metric}: {self.limit!r} is not finite")


class Evaluate(Protocol):
    """The seam: measures one batch of one setting.

    An evaluator may also have an attribute `begin`, called with the same: it generates, and
    returns a function, called once, that waits for the scores and gives the measurement. The
    engine then begins the next batch before it asks for the last one's, wherever nothing depends
    on those. What was returned may be called in another thread while the next `begin` runs, so
    a `begin` that is timed waits first until nothing is being scored. None in place of `begin`
    is as none.
    """

    def __call__(self, config: Config, batch: Batch) -> BatchMeasurement:
        """Measures `config` on `batch`; raises EvaluationError when it cannot."""
        ...


Begin = Callable[[Config, Batch], Callable[[], BatchMeasurement]]


@dataclass(frozen=True)
class Interval:
    """A number with its two-sided 95 % interval.

    Attributes:
        value: The estimate.
        low: Lower bound.
        high: Upper bound.
        n: Number of observations behind it.
    """

    value: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Best:
    """A setting worth keeping, with what was measured of it.

    Attributes:
        config: The setting.
        speedup: Baseline latency over accelerated latency, with its interval.
        score_loss: Relative loss of the first constrained metric, with its interval.
        losses: The same for every metric by name.
        latency_s: Seconds per item of the accelerated pipeline.
        baseline_latency_s: Seconds per item of the baseline beside it.
        key: The config's canonical key.
        trial: Number of the trial it comes from; None for a reference.
        confirmed: Whether held-out items and other seeds bore it out.
        found_speedup: Speedup seen in the search, when this is the confirmed measurement.
        found_score_loss: Score loss seen in the search, likewise.
        value: The objective: equal to the speedup unless FLOPs or memory are optimised.
        stable: False when the speedup's half-width stayed above 1.5 % at confirmation.
    """

    config: Config
    speedup: Interval
    score_loss: Interval
    latency_s: float
    baseline_latency_s: float
    key: str
    losses: dict[str, Interval] = field(default_factory=dict)
    trial: int | None = None
    confirmed: bool = False
    found_speedup: Interval | None = None
    found_score_loss: Interval | None = None
    value: float = float("nan")
    stable: bool = True
