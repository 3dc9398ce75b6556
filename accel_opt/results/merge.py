"""Merging results into a file: what replaces what, and under which other keys it also stands.

A result stands under the key of what was asked (the *primary* key), under the same key with the
achieved speedup, and, when nothing else of its config is faster, under the five-field
`'upbound_speedup'` key that old readers look up. The last two are *aliases*. A result searched
for the old required time stands under its achieved speedup alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from accel_opt.core.errors import ExportRefusedError
from accel_opt.results.entry import Entry
from accel_opt.results.file import ParamsFile, updating
from accel_opt.results.key import EntryKey
from accel_opt.results.provenance import differences, same_conditions


@dataclass
class MergeReport:
    """What a merge did.

    Attributes:
        path: The file.
        written: Keys that hold a new entry now, primary ones and aliases.
        removed: Aliases that had become stale.
        kept: Why an entry that was there stays, by key.
    """

    path: Path
    written: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)


def merge(path: str | Path, entries: Iterable[Entry], *, force: bool = False) -> MergeReport:
    """Merges entries into a file, atomically and under its lock.

    An entry under the same key is replaced by a faster confirmed one of the same conditions, or
    by any with `force`. Entries and fields that are not understood stay.

    Args:
        path: The file; made when it is not there.
        entries: Results under their primary keys.
        force: Replace whatever stands under the same keys.

    Raises:
        ExportRefusedError: An entry measured under other conditions stands under a key; nothing
            was written.
        CorruptFileError: The file is no search_params.json; it is left as it is.
    """
    report = MergeReport(Path(path))
    with updating(path) as file:
        for entry in entries:
            _refuse_strangers(file, entry, force=force)
            _merge_one(file, entry, report, force=force)
    report.written = list(dict.fromkeys(text for text in report.written if text in file.raw))
    return report


def primary_entries(file: ParamsFile) -> list[Entry]:
    """What a file answers, without the aliases: what to merge into another file."""
    six = [entry for entry in file.entries.values() if entry.key.targets is not None]
    answers = [entry for entry in six if _is_primary(entry)]
    # A required speedup that was met exactly has no other key than its alias would have.
    exact = [
        entry
        for entry in six
        if not _is_primary(entry)
        and not any(
            other.key.at(None) == entry.key.at(None) and _same_result(other, entry)
            for other in answers
        )
    ]
    return [*answers, *exact]


def _refuse_strangers(file: ParamsFile, entry: Entry, *, force: bool) -> None:
    if force:
        return
    text = str(entry.key)
    if text in file.unread:
        raise ExportRefusedError(
            f"{file.path}: what stands under {text} cannot be read ({file.unread[text]}); "
            "--force replaces it"
        )
    found = file.find(entry.key)
    if found and not same_conditions(found[1].provenance, entry.provenance):
        why = "; ".join(differences(found[1].provenance, entry.provenance))
        raise ExportRefusedError(
            f"{file.path}: the entry under {found[0]} was measured under other conditions "
            f"({why or 'this one does not say under which it was measured'}); --force replaces "
            "it, another --out keeps both"
        )


def _merge_one(file: ParamsFile, entry: Entry, report: MergeReport, *, force: bool) -> None:
    found = file.find(entry.key)
    if found and _same_result(found[1], entry):
        report.kept[found[0]] = "it is the same result"
    elif found and not force and (why := _why_it_stays(found[1], entry)):
        report.kept[found[0]] = why
        return
    else:
        report.written.append(file.put(entry))
        if found:
            _drop_stale(file, found[1], report)
    if entry.key.speedup != entry.speedup:
        _put_alias(file, entry, entry.key.at(entry.speedup), report, force=force)
    if entry.key.targets is not None and not entry.stands_alone:
        _upper_bound(file, entry, found[1] if found else None, report, force=force)


def _why_it_stays(there: Entry, new: Entry) -> str:
    if not new.confirmed:
        return "the new one is not confirmed; --force replaces it"
    if new.speedup <= there.speedup:
        return f"it is as fast or faster ({there.speedup}x, the new one {new.speedup}x)"
    return ""


def _same_result(one: Entry, other: Entry) -> bool:
    return replace(one, key=other.key) == other


def _is_primary(entry: Entry) -> bool:
    """Whether an entry answers a question, rather than repeats another's answer."""
    return entry.key.targets is not None and entry.key.speedup != entry.speedup


def _drop_stale(file: ParamsFile, old: Entry, report: MergeReport) -> None:
    """Removes the achieved-speedup alias of a replaced entry, unless another still needs it."""
    alias = file.find(old.key.at(old.speedup))
    if alias is None or old.key.speedup == old.speedup or not _same_result(alias[1], old):
        return
    text, stale = alias
    needed = any(
        _is_primary(other) and other.key.at(None) == stale.key.at(None) and _same_result(other, old)
        for _, other in file.of_config(old.key)
    )
    if not needed:
        file.drop(text)
        report.removed.append(text)


def _put_alias(
    file: ParamsFile, entry: Entry, key: EntryKey, report: MergeReport, *, force: bool
) -> None:
    alias = replace(entry, key=key)
    text, there = file.find(key) or (str(key), None)
    if not force and text in file.unread:
        report.kept[text] = "it cannot be read, and is left as it is; --force replaces it"
    elif there and _same_result(there, alias):
        return
    elif not force and there and not same_conditions(there.provenance, alias.provenance):
        report.kept[text] = "it was measured under other conditions; --force replaces it"
    elif not force and there and (why := _why_it_stays(there, alias)):
        report.kept[text] = why
    else:
        report.written.append(file.put(alias))


def _upper_bound(
    file: ParamsFile, entry: Entry, old: Entry | None, report: MergeReport, *, force: bool
) -> None:
    """Sees to the five-field upper-bound key of the entry's config."""
    key = entry.key.over(None).at(None)
    _, there = file.find(key) or (str(key), None)
    stale = bool(there and old and _same_result(there, old))
    rivals = [
        e
        for _, e in file.of_config(key)
        if e.key.targets and e.key.over(None).at(None) == key and not e.stands_alone
    ]
    fastest = max(rivals, key=lambda e: (e.speedup, e.confirmed))
    if there and not stale and not force and there.speedup >= fastest.speedup:
        return
    if _same_result(fastest, entry) or stale:
        _put_alias(file, fastest, key, report, force=force or stale)
