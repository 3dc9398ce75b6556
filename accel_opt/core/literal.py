"""Values as Python source: the only way by which they enter generated programs."""

from __future__ import annotations

import math
from typing import Any

from accel_opt.core.errors import InputError

WIDTH = 88


def literal(value: Any, indent: int = 0, taken: int = 0) -> str:
    """`value` as a Python literal, laid out as formatters do.

    Args:
        value: None, a bool, int, finite float, str, or a list, tuple or dict of these; numpy
            scalars are taken as what they hold.
        indent: Column of the statement that the literal ends.
        taken: Columns before the literal on its first line.

    Raises:
        InputError: Anything else.
    """
    flat = _flat(value)
    if (
        indent + taken + len(flat) <= WIDTH
        or not isinstance(value, list | tuple | dict)
        or not value
    ):
        return flat
    space = " " * (indent + 4)
    if isinstance(value, dict):
        items = []
        for key, part in value.items():
            name = _flat(key)
            items.append(f"{space}{name}: {literal(part, indent + 4, len(name) + 3)},\n")
        opening, closing = "{", "}"
    else:
        items = [f"{space}{literal(part, indent + 4, 1)},\n" for part in value]
        opening, closing = ("[", "]") if isinstance(value, list) else ("(", ")")
    return f"{opening}\n{''.join(items)}{' ' * indent}{closing}"


def text_literal(text: str) -> str:
    """A text in the quotes that need fewest escapes; what does not print is escaped."""
    quotes = repr(text + "'\"")  # with both quotes in it, repr takes single ones around
    body = quotes[1:-4]  # without the two that were added
    if text.count('"') > text.count("'"):
        return f"'{body}'"
    bare = body.replace("\\'", "'").replace('"', '\\"')
    return f'"{bare}"'


def _flat(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_flat, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_flat, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_flat(key)}: {_flat(part)}' for key, part in value.items())}}}"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:
        value = value.item()  # numpy's: its repr is no literal
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, str):
        return text_literal(str(value))
    if isinstance(value, int):
        return repr(int(value))
    if not isinstance(value, float):
        raise InputError(f"{value!r:.60} ({type(value).__name__}) is no plain value")
    if not math.isfinite(value):
        raise InputError(f"{value!r} is no number that a program can hold")
    return repr(float(value))
