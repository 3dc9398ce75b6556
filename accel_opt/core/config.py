"""A setting: which accelerators are on, with which parameters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from accel_opt.core.dims import Number
from accel_opt.core.errors import InputError

Params = Mapping[str, Number]


class Config(Mapping[str, Params]):
    """Frozen, sorted `{accelerator: {parameter: int | float}}`; an absent accelerator is off.

    Args:
        settings: Parameters by accelerator name.

    Raises:
        InputError: A parameter is neither an int nor a finite float.
    """

    __slots__ = ("_items", "_key")

    def __init__(self, settings: Mapping[str, Params] | None = None) -> None:
        items: dict[str, dict[str, Number]] = {}
        for name in sorted(settings or {}):
            params = (settings or {})[name]
            items[name] = {p: _number(name, p, v) for p, v in sorted(params.items())}
        self._items = items
        self._key = hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def __getitem__(self, name: str) -> Params:
        return dict(self._items[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self._items == other._items

    def __repr__(self) -> str:
        return f"Config({self._items!r})"

    def __str__(self) -> str:
        parts = [
            f"{name}({', '.join(f'{p}={v}' for p, v in params.items())})"
            for name, params in self._items.items()
        ]
        return " + ".join(parts) or "off"

    @property
    def key(self) -> str:
        """Sixteen hex digits of the content's hash."""
        return self._key

    @property
    def accelerators(self) -> tuple[str, ...]:
        """Names of the accelerators that are on, sorted."""
        return tuple(self._items)

    def to_dict(self) -> dict[str, dict[str, Number]]:
        """A plain copy that `json.dumps` takes."""
        return {name: dict(params) for name, params in self._items.items()}

    def to_json(self) -> str:
        """Compact JSON with sorted keys; equal configs give equal text."""
        return json.dumps(self._items, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Config:
        """The config that `to_json` wrote.

        Raises:
            InputError: The text is not such JSON.
        """
        try:
            data: Any = json.loads(text)
        except ValueError as error:
            raise InputError(f"not a config: {text[:60]!r} ({error})") from None
        if not isinstance(data, dict) or not all(isinstance(v, dict) for v in data.values()):
            raise InputError(f"not a config: {text[:60]!r}; expected {{accelerator: {{...}}}}")
        return cls(data)


def _number(name: str, parameter: str, value: object) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{name}.{parameter}={value!r} is not a number")
    if not abs(value) < float("inf"):
        raise InputError(f"{name}.{parameter}={value!r} is not finite")
    return value
