"""What a search_params.json holds, counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from accel_opt.results.file import ParamsFile, read


@dataclass(frozen=True)
class Summary:
    """Counts of a file.

    Attributes:
        entries: Keys whose entry could be read.
        unread: Keys of the others, with the reason.
        models: Distinct model names, sorted.
        schedulers: Distinct scheduler names, sorted.
        steps: Distinct step counts, ascending.
        configs: Distinct pipeline configs (model, scheduler, steps), sorted.
        target_sets: Distinct sets of accelerators that are on, sorted.
        upper_bounds: Configs with an upper-bound entry, sorted.
        confirmed: Entries that were confirmed on held-out prompts.
    """

    entries: int
    unread: dict[str, str]
    models: tuple[str, ...]
    schedulers: tuple[str, ...]
    steps: tuple[int, ...]
    configs: tuple[tuple[str, str, int], ...]
    target_sets: tuple[tuple[str, ...], ...]
    upper_bounds: tuple[tuple[str, str, int], ...]
    confirmed: int


def summarise(source: str | Path | ParamsFile) -> Summary:
    """Counts entries and what is distinct in them.

    Raises:
        InputError: There is no such file, or it is corrupt.
    """
    file = source if isinstance(source, ParamsFile) else read(source)
    entries = list(file.entries.values())
    keys = [entry.key for entry in entries]
    return Summary(
        entries=len(entries),
        unread=dict(file.unread),
        models=tuple(sorted({key.model for key in keys})),
        schedulers=tuple(sorted({key.scheduler for key in keys})),
        steps=tuple(sorted({key.steps for key in keys})),
        configs=tuple(sorted({key.config for key in keys})),
        target_sets=tuple(sorted({entry.search_targets for entry in entries})),
        upper_bounds=tuple(sorted({key.config for key in keys if key.speedup is None})),
        confirmed=sum(entry.confirmed for entry in entries),
    )
