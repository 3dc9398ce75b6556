"""Finding an entry the way a person asks for it, and saying which key it came from."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from accel_opt.core.config import Config
from accel_opt.core.dims import Number
from accel_opt.core.errors import InputError
from accel_opt.results.entry import Entry
from accel_opt.results.file import ParamsFile, read
from accel_opt.results.key import EntryKey
from accel_opt.results.names import canonical_model, canonical_scheduler

Loosening = Literal["targets", "threshold", "speedup"]


@dataclass(frozen=True)
class Found:
    """The answer to a look-up.

    Attributes:
        key: Text of the key that it came from.
        entry: The entry.
        exact: Whether that is the very key that was asked for.
        how: In what the key differs from what was asked; "" when exact.
    """

    key: str
    entry: Entry
    exact: bool
    how: str = ""

    @property
    def config(self) -> Config:
        """The entry's setting, as `apply` takes it."""
        return self.entry.config


class MissingEntryError(InputError):
    """The file has no such entry.

    Args:
        file: The file that was searched.
        wanted: What was asked for.
        why: One clause more, such as which accelerators the entry has instead.
        active: Accelerators that must be on, and so what to search.
    """

    def __init__(
        self,
        file: ParamsFile,
        wanted: EntryKey,
        why: str = "",
        active: tuple[str, ...] | None = None,
    ) -> None:
        self.wanted = wanted
        self.nearest = tuple(text for text, _ in _nearest(file, wanted)[:3])
        asked = wanted if active is None or wanted.targets else wanted.over(active)
        self.command = search_command(asked, require_all=active is not None)
        near = f" Nearest: {'; '.join(self.nearest)}." if self.nearest else " It has no entries."
        super().__init__(
            f"{file.path} has no entry {wanted}{f' ({why})' if why else ''}.{near} "
            f"To search it: {shlex.join(self.command)}"
        )


def lookup(
    source: str | Path | ParamsFile,
    *,
    model: str,
    scheduler: str,
    steps: int | str,
    speedup: Number | None = None,
    max_score_loss: float = 0.02,
    targets: Iterable[str] | None = None,
    active: Iterable[str] | None = None,
    allow: Collection[Loosening] = (),
    fastest: bool = False,
) -> Found:
    """Finds the entry of a pipeline config.

    The exact key comes first. Without `targets` that is the five-field key, and failing it the
    fastest target set.

    Args:
        source: A search_params.json, or what `read` gave of one.
        model: Name, alias or hub id.
        scheduler: Nickname ("DDIM") or class name.
        steps: Number of steps, as number or text.
        speedup: Required speedup; None asks for the upper bound.
        max_score_loss: Allowed score loss.
        targets: Accelerators that were searched together.
        active: Accelerators that must be on, and no others.
        allow: What may differ when the exact key is not there: "targets", "threshold",
            "speedup" (an entry that is at least as fast).
        fastest: Without `targets`, take the fastest target set even where the five-field key
            is there (files of several sources may hold a faster one beside it).

    Raises:
        MissingEntryError: No such entry; names the nearest, and the command to search it.
        InputError: The entry is there but cannot be read.
    """
    file = source if isinstance(source, ParamsFile) else read(source)
    wanted = wanted_key(
        model,
        scheduler,
        steps,
        speedup=speedup,
        max_score_loss=max_score_loss,
        targets=targets,
    )
    if str(wanted) in file.unread:
        raise InputError(f"{file.path}: {file.unread[str(wanted)]}")
    on = None if active is None else tuple(sorted(active))
    ranked = []
    for text, entry in file.of_config(wanted):
        rank = _rank(entry, wanted, allow)
        if rank is not None and (on is None or entry.search_targets == on):
            ranked.append((rank, text, entry))
    if not ranked:
        raise MissingEntryError(file, wanted, _why_not(file, wanted, on), on)
    if fastest and wanted.targets is None:
        _, text, entry = min(ranked, key=lambda r: (*r[0][:2], -r[2].speedup, r[0], r[1]))
    else:
        _, text, entry = min(ranked, key=lambda item: item[:2])
    how = _differences(entry, wanted)
    return Found(text, entry, exact=not how, how=how)


def wanted_key(
    model: str,
    scheduler: str,
    steps: int | str,
    *,
    speedup: Number | None = None,
    max_score_loss: float = 0.02,
    targets: Iterable[str] | None = None,
) -> EntryKey:
    """The key that a question means, names brought to the file's spelling.

    Raises:
        InputError: The steps are no number.
    """
    try:
        count = int(steps)
    except (TypeError, ValueError):
        raise InputError(f"steps={steps!r} is no whole number, such as 50") from None
    names = None if targets is None else tuple(targets)
    return EntryKey(
        canonical_model(model),
        canonical_scheduler(scheduler),
        count,
        speedup,
        float(max_score_loss),
        names,
    )


def search_command(wanted: EntryKey, *, require_all: bool = False) -> list[str]:
    """The command that would search what a key asks for.

    Args:
        wanted: The key.
        require_all: Its targets must all be on in the winner.
    """
    command = ["accel-opt", "search", "--model", wanted.model, "--scheduler", wanted.scheduler]
    command += ["--steps", str(wanted.steps)]
    if wanted.targets:
        command += ["--accelerators", ",".join(wanted.targets)]
        command += ["--require-all"] if require_all and len(wanted.targets) > 1 else []
    if wanted.speedup is not None:
        command += ["--speedup", str(wanted.speedup)]
    if wanted.max_score_loss != 0.02:
        command += ["--max-score-loss", str(wanted.max_score_loss)]
    return command


def _rank(
    entry: Entry, wanted: EntryKey, allow: Collection[Loosening]
) -> tuple[float, float, int, float] | None:
    """How far an entry of the config lies from what is wanted; None when it is no answer."""
    key = entry.key
    other_speedup = key.speedup != wanted.speedup
    if other_speedup and (
        "speedup" not in allow or (wanted.speedup is not None and entry.speedup < wanted.speedup)
    ):
        return None
    away = key.max_score_loss - wanted.max_score_loss
    if away and "threshold" not in allow:
        return None
    level = _target_level(entry, wanted)
    if level == 2 and "targets" not in allow:
        return None
    # A stricter threshold answers a looser question; a looser one only comes after it.
    return (float(other_speedup), -away if away <= 0 else 1 + away, level, -entry.speedup)


def _target_level(entry: Entry, wanted: EntryKey) -> int:
    """0: the key's own targets; 1: as good; 2: other targets."""
    if entry.key.targets == wanted.targets:
        return 0
    if wanted.targets is None or entry.search_targets == wanted.targets:
        return 1
    return 2


def _differences(entry: Entry, wanted: EntryKey) -> str:
    key, parts = entry.key, []
    if key.speedup != wanted.speedup:
        parts.append(f"another required speedup ({key.speedup or 'the upper bound'})")
    if key.max_score_loss != wanted.max_score_loss:
        parts.append(f"another threshold ({key.max_score_loss})")
    if key.targets != wanted.targets:
        names = ", ".join(key.targets or ()) or "not named in its key"
        parts.append(f"other targets ({names})" if wanted.targets else f"targets {names}")
    return ", ".join(parts)


def _why_not(file: ParamsFile, wanted: EntryKey, on: tuple[str, ...] | None) -> str:
    if on is None:
        return ""
    others = {
        "+".join(entry.search_targets)
        for _, entry in file.of_config(wanted)
        if _rank(entry, wanted, ()) is not None
    }
    return f"{'+'.join(on)} asked for, {' or '.join(sorted(others))} there" if others else ""


def _nearest(file: ParamsFile, wanted: EntryKey) -> list[tuple[str, Entry]]:
    def distance(item: tuple[str, Entry]) -> tuple[object, ...]:
        key = item[1].key
        return (
            canonical_model(key.model) != wanted.model,
            canonical_scheduler(key.scheduler) != wanted.scheduler,
            abs(key.steps - wanted.steps),
            abs(key.max_score_loss - wanted.max_score_loss),
            key.speedup != wanted.speedup,
            key.targets != wanted.targets,
            item[0],
        )

    return sorted(file.entries.items(), key=distance)
