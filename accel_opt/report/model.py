"""What a report of a study says; whoever has a study fills it, the pages only show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accel_opt.core.config import Config
from accel_opt.core.measurement import Best, Interval, Limit


@dataclass(frozen=True)
class Trial:
    """One evaluation.

    Attributes:
        number: Its number in the study.
        setting: What was measured.
        outcome: "full", or what ended it.
        reason: The same in words.
        feasible: Whether it may win.
        front: Whether no other feasible one beats it in both speed and loss.
        speedup: Over the baseline.
        losses: By metric.
        latency_s: Seconds per prompt.
        n_items: Prompts measured.
        preset: Where the setting was published; empty for others.
    """

    number: int
    setting: Config
    outcome: str
    reason: str
    feasible: bool
    front: bool
    speedup: Interval
    losses: Mapping[str, Interval]
    latency_s: float
    n_items: int
    preset: str = ""


@dataclass(frozen=True)
class Baseline:
    """A point that needs no search.

    Attributes:
        kind: "fewer steps", "guidance cut-off", "published presets".
        label: "10 steps".
        speedup: Over the same baseline.
        score_loss: Loss of the first metric.
        joined: Whether points of this kind make a curve.
    """

    kind: str
    label: str
    speedup: Interval
    score_loss: Interval
    joined: bool = True


@dataclass(frozen=True)
class Compared:
    """The winner beside one kind of baseline at equal latency."""

    beats: bool
    text: str


@dataclass(frozen=True)
class Picture:
    """An image file with what it shows.

    Attributes:
        path: The file; it may come from anybody.
        title: "baseline", "2.31x".
        text: A line below.
        state: "baseline", "winner", "feasible" or "infeasible".
    """

    path: Path
    title: str
    text: str = ""
    state: str = "feasible"


@dataclass(frozen=True)
class Strip:
    """One prompt from the baseline on, faster and faster.

    Attributes:
        title: Why this one is shown: "first prompt", "the prompt that lost most".
        pictures: The baseline's first.
    """

    title: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Winner:
    """The best setting.

    Attributes:
        best: Its numbers: confirmed ones where there are such.
        n_confirmed: Held-out prompts behind the confirmation; 0 without.
        detectable: Loss that the confirmation would have shown four times in five.
        program: A program that applies it; empty without.
        library: Lines that apply it to a pipeline at hand.
    """

    best: Best
    n_confirmed: int = 0
    detectable: float = float("nan")
    program: str = ""
    library: str = ""


@dataclass(frozen=True)
class StudyReport:
    """A study as a page shows it.

    Attributes:
        study: Its name.
        storage: Where it is kept, secrets masked.
        subject: What was searched, in words: "SD1.5, DDIMScheduler, 50 steps".
        targets: Accelerators searched.
        limits: What may be lost; the first one is the score loss.
        conditions: What the numbers depend on.
        trials: Every evaluation.
        winner: The best setting; None when nothing was feasible.
        rejected: Candidates that confirmation did not bear out, with the reason.
        baselines: Points that need no search.
        compared: The winner beside them.
        importances: Shares by parameter, for "speed" and for each metric's loss.
        strips: Images.
        resume: The command that goes on; empty for what is no search of a pipeline.
        target: The required speed in words; empty without.
        n_settings: Settings in the space.
        wall_s: Seconds that the evaluations took.
        written: When the report was made.
        version: The package's version.
    """

    study: str
    storage: str
    subject: str
    targets: tuple[str, ...]
    limits: tuple[Limit, ...]
    conditions: Mapping[str, Any]
    trials: tuple[Trial, ...]
    winner: Winner | None = None
    rejected: tuple[tuple[Best, str], ...] = ()
    baselines: tuple[Baseline, ...] = ()
    compared: tuple[Compared, ...] = ()
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    strips: tuple[Strip, ...] = ()
    resume: str = ""
    target: str = ""
    n_settings: int = 0
    wall_s: float = 0.0
    written: str = ""
    version: str = ""

    @property
    def limit(self) -> Limit:
        """The first limit: the score loss."""
        return self.limits[0]
