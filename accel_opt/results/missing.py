"""Which configs have no entry, and the searches that would fill them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from accel_opt.core.dims import Number
from accel_opt.core.errors import InputError
from accel_opt.results.file import ParamsFile, read
from accel_opt.results.key import EntryKey
from accel_opt.results.lookup import (
    Found,
    Loosening,
    lookup,
    search_command,
    wanted_key,
)

GRID_MODELS = ("SD1.5", "SD2.1", "SDXL")
GRID_SCHEDULERS = ("DDIM", "DPM-Solver++", "UniPC")
GRID_STEPS = (50, 25, 20)
GRID_TARGETS = (
    ("deepcache",),
    ("tome",),
    ("tgate",),
    ("deepcache", "tgate"),
    ("tome", "tgate"),
    ("deepcache", "tome", "tgate"),
)


@dataclass(frozen=True)
class Wanted:
    """An entry that somebody needs.

    Attributes:
        model: Name, alias or hub id.
        scheduler: Nickname or class name.
        steps: Number of steps.
        speedup: Required speedup; None for the upper bound.
        max_score_loss: Allowed score loss.
        targets: Accelerators that must have been searched together; None for any.
        active: Accelerators that must be on, and no others; None for any.
        label: What it is needed for, such as a task's text.
        fastest: Take the fastest target set, whatever the five-field key holds.
    """

    model: str
    scheduler: str
    steps: int
    speedup: Number | None = None
    max_score_loss: float = 0.02
    targets: tuple[str, ...] | None = None
    active: tuple[str, ...] | None = None
    label: str = ""
    fastest: bool = False

    @property
    def key(self) -> EntryKey:
        """The key under which it would stand; `active` is what would be searched."""
        return wanted_key(
            self.model,
            self.scheduler,
            self.steps,
            speedup=self.speedup,
            max_score_loss=self.max_score_loss,
            targets=self.targets or self.active,
        )

    @property
    def require_all(self) -> bool:
        """Whether its search may leave no accelerator off, or the winner would not answer."""
        return self.active is not None and len(self.active) > 1

    def find(self, source: str | Path | ParamsFile, allow: Collection[Loosening] = ()) -> Found:
        """Its entry.

        Raises:
            MissingEntryError: There is none.
        """
        return lookup(
            source,
            model=self.model,
            scheduler=self.scheduler,
            steps=self.steps,
            speedup=self.speedup,
            max_score_loss=self.max_score_loss,
            targets=self.targets,
            active=self.active,
            allow=allow,
            fastest=self.fastest,
        )


@dataclass(frozen=True)
class Gap:
    """Something wanted without an entry.

    Attributes:
        wanted: What was looked for.
        why: One sentence.
        command: The search that would fill it.
    """

    wanted: Wanted
    why: str
    command: tuple[str, ...]


def grid(
    models: Sequence[str] = GRID_MODELS,
    schedulers: Sequence[str] = GRID_SCHEDULERS,
    steps: Sequence[int] = GRID_STEPS,
    targets: Sequence[tuple[str, ...] | None] = (None,),
    max_score_loss: float = 0.02,
) -> list[Wanted]:
    """Every combination, models outermost; by default the 27 upper bounds.

    Args:
        models: Model names.
        schedulers: Scheduler names.
        steps: Step counts.
        targets: Target sets (`GRID_TARGETS` are the six usual ones); None for any.
        max_score_loss: Allowed score loss.
    """
    combinations = itertools.product(models, schedulers, steps, targets)
    return [
        Wanted(model, scheduler, count, None, max_score_loss, names)
        for model, scheduler, count, names in combinations
    ]


def missing(
    source: str | Path | ParamsFile,
    wanted: Iterable[Wanted],
    allow: Collection[Loosening] = (),
) -> list[Gap]:
    """What of `wanted` has no entry, in its order.

    Args:
        source: A search_params.json; one that does not exist has no entries.
        wanted: What is needed.
        allow: See `lookup`.
    """
    file = source if isinstance(source, ParamsFile) else read(source, missing_ok=True)
    gaps = []
    for item in wanted:
        try:
            item.find(file, allow)
        except InputError as error:  # also an entry that cannot be read
            command = search_command(item.key, require_all=item.require_all)
            gaps.append(Gap(item, str(error), tuple(command)))
    return gaps
