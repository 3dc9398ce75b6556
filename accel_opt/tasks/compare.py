"""Holding two annotation or generation files against each other, entry by entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

_PATHS = ("path_to_gt_code", "path_to_gen_code")
_SHOWN = 50
_ABSENT = object()

Kind = Literal["missing", "extra", "order", "field", "path"]


@dataclass(frozen=True)
class Difference:
    """One difference.

    Attributes:
        kind: "missing" and "extra" entries stand in one file only; "order": at another place;
            "field": another value; "path": more than the folder differs.
        prompt_id: The entry.
        field: The field; "" for whole entries.
        first: First 50 characters of the first file's value; "" where it has none.
        second: The same of the second file.
        at: Position of the first differing character of two texts; None for other values.
    """

    kind: Kind
    prompt_id: str
    field: str = ""
    first: str = ""
    second: str = ""
    at: int | None = None


@dataclass(frozen=True)
class Comparison:
    """How far two files agree.

    Attributes:
        total: Entries of the longer file.
        matching: Entries that stand in both, at the same place, without a difference.
        differences: All differences, in the first file's order, extra entries last.
    """

    total: int
    matching: int
    differences: tuple[Difference, ...] = field(default_factory=tuple)

    @property
    def equal(self) -> bool:
        """Whether there is no difference."""
        return not self.differences

    @property
    def percentage(self) -> float:
        """Percentage of matching entries; 100 for two empty files."""
        return 100.0 * self.matching / self.total if self.total else 100.0


def compare(first: Sequence[Mapping[str, Any]], second: Sequence[Mapping[str, Any]]) -> Comparison:
    """Compares two lists of objects, as `read_annotations` gives them.

    Between an annotation and a generation file, the path field's name and the folder in it are
    no differences; between two of a kind, every field counts.
    """
    numbers_1, numbers_2 = _numbered(first), _numbered(second)
    pairs = _pairs(numbers_1, numbers_2)
    across = _is_generation(first) != _is_generation(second)
    ranks = _ranks(numbers_1, numbers_2)
    found: list[Difference] = []
    matching = 0
    for one, entry in enumerate(first):
        if one not in pairs:
            found.append(Difference("missing", str(entry["prompt_id"]), "", _shown(entry)))
            continue
        details = _fields(entry, second[pairs[one]], across=across)
        if one in ranks:
            details.insert(0, Difference("order", str(entry["prompt_id"]), "", *ranks[one]))
        matching += not details
        found += details
    paired = set(pairs.values())
    for other, entry in enumerate(second):
        if other not in paired:
            found.append(Difference("extra", str(entry["prompt_id"]), "", "", _shown(entry)))
    return Comparison(max(len(first), len(second)), matching, tuple(found))


_Key = tuple[str, int]


def _numbered(entries: Sequence[Mapping[str, Any]]) -> dict[_Key, int]:
    """Positions by id; a repeated id is told apart by its count."""
    seen: dict[str, int] = {}
    numbered: dict[_Key, int] = {}
    for position, entry in enumerate(entries):
        prompt_id = str(entry["prompt_id"])
        seen[prompt_id] = seen.get(prompt_id, 0) + 1
        numbered[(prompt_id, seen[prompt_id])] = position
    return numbered


def _pairs(first: dict[_Key, int], second: dict[_Key, int]) -> dict[int, int]:
    """Which position of the first file belongs to which of the second.

    Entries belong together by their id; those whose id the other file lacks, by their place.
    """
    pairs = {position: second[key] for key, position in first.items() if key in second}
    alone_1 = {position for key, position in first.items() if key not in second}
    alone_2 = {position for key, position in second.items() if key not in first}
    return pairs | {position: position for position in alone_1 & alone_2}


def _ranks(first: dict[_Key, int], second: dict[_Key, int]) -> dict[int, tuple[str, str]]:
    """Entries of both files that do not stand in the same order: who stands there, and there."""
    order_1 = [key for key in first if key in second]
    order_2 = [key for key in second if key in first]
    pairs = zip(order_1, order_2, strict=True)
    return {first[one]: (one[0], other[0]) for one, other in pairs if one != other}


def _fields(one: Mapping[str, Any], other: Mapping[str, Any], *, across: bool) -> list[Difference]:
    prompt_id = str(one["prompt_id"])
    found = []
    names = [*one, *(name for name in other if name not in one)]
    if across:
        names = [name for name in names if name not in _PATHS]
        path_1, path_2 = _path(one), _path(other)
        if PurePosixPath(path_1).name != PurePosixPath(path_2).name:
            at = _first_difference(path_1, path_2)
            found.append(Difference("path", prompt_id, "path", path_1[:50], path_2[:50], at))
    for name in names:
        value, there = one.get(name, _ABSENT), other.get(name, _ABSENT)
        if type(value) is not type(there) or value != there:
            at = _first_difference(value, there)
            found.append(Difference("field", prompt_id, name, _shown(value), _shown(there), at))
    return found


def _is_generation(entries: Sequence[Mapping[str, Any]]) -> bool:
    return any("path_to_gen_code" in entry for entry in entries)


def _path(entry: Mapping[str, Any]) -> str:
    return next((str(entry[name]) for name in _PATHS if name in entry), "")


def _first_difference(one: Any, other: Any) -> int | None:
    if not isinstance(one, str) or not isinstance(other, str):
        return None
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return ""
    return (value if isinstance(value, str) else repr(value))[:_SHOWN]
