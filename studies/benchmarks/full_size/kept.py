"""The results of one machine: rows that are written as they come, and met again later."""

import json
from pathlib import Path
from typing import Any

from accel_opt.core.files import write_atomically

import cases  # isort: skip
from table import markdown  # isort: skip

PARTS = ("flops", "known", "packages", "timed")
# What an earlier run's rows must agree with to stand beside new ones.
CONDITIONS = ("machine", "versions", "dtype", "backends")
Key = tuple[Any, ...]
_AT = 50


def key_of(row: dict[str, Any]) -> Key:
    """Which row it is."""
    return row["model"], row["steps"], row.get("batch"), row["setting"]


class Kept:
    """The rows of a machine by part, with those of earlier runs under the same conditions.

    Args:
        stem: Path of the two files without their endings.
        conditions: What the rows depend on, by the names of `CONDITIONS`.
        anew: Whether rows of earlier runs count as missing; they stand until replaced.
    """

    def __init__(self, stem: Path, conditions: dict[str, Any], *, anew: bool = False) -> None:
        self._stem, self.conditions = stem, conditions
        self._rows: dict[str, dict[Key, dict[str, Any]]] = {part: {} for part in PARTS}
        self._new: set[tuple[str, Key]] = set()
        self._anew = anew
        earlier = self._read()
        self.differs = [n for n in CONDITIONS if earlier and earlier.get(n) != conditions.get(n)]
        if earlier and not self.differs:
            for part in PARTS:
                self._rows[part] = {key_of(row): row for row in earlier[part]}
        self.n_earlier = sum(map(len, self._rows.values()))

    def has(self, part: str, key: Key) -> bool:
        """Whether this row need not be measured."""
        return (part, key) in self._new or (not self._anew and key in self._rows[part])

    def get(self, part: str, key: Key) -> dict[str, Any] | None:
        """A row, when it is there."""
        return self._rows[part].get(key)

    def rows(self, part: str) -> list[dict[str, Any]]:
        """All rows of a part."""
        return list(self._rows[part].values())

    def put(self, part: str, *rows: dict[str, Any]) -> None:
        """Adds or replaces rows, and writes both files."""
        for row in rows:
            self._rows[part][key_of(row)] = row
            self._new.add((part, key_of(row)))
        self.write()

    def replace(self, part: str, model: str, rows: list[dict[str, Any]]) -> None:
        """Puts all rows of a part and model in the place of earlier ones."""
        self._rows[part] = {k: r for k, r in self._rows[part].items() if r["model"] != model}
        self.put(part, *rows)

    def document(self) -> dict[str, Any]:
        """Everything, as it is written."""
        place = list(cases.MODELS).index
        parts = {
            part: sorted(
                rows.values(),
                key=lambda row: (place(row["model"]), row.get("batch", 0), -row["steps"]),
            )
            for part, rows in self._rows.items()
        }
        return {**self.conditions, **parts, "fastest": fastest(parts["timed"])}

    def write(self) -> None:
        """Writes the JSON file and the page."""
        found = self.document()
        text = json.dumps(found, indent=1, ensure_ascii=False)
        write_atomically(Path(f"{self._stem}.json"), text + "\n")
        write_atomically(Path(f"{self._stem}.md"), markdown(found))

    def bars(self) -> list[dict[str, Any]]:
        """Every row that has a bar."""
        found = self.document()
        return [row for part in (*PARTS, "fastest") for row in found[part] if "ok" in row]

    def _read(self) -> dict[str, Any]:
        path = Path(f"{self._stem}.json")
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return found if isinstance(found, dict) else {}


def fastest(timed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The best speedups at 50 steps beside what they must reach."""
    rows = []
    for model, wanted in cases.FASTEST_AT_50.items():
        there = [
            row for row in timed
            if row["model"] == model and row["steps"] == _AT and "speedup" in row
        ]  # fmt: skip
        if there:
            best = max(there, key=lambda row: row["speedup"])
            names = ("model", "steps", "batch", "setting", "speedup")
            row = {name: best[name] for name in names}
            rows.append(row | {"wanted": wanted, "ok": best["speedup"] >= wanted})
    return rows
