"""What a generated program says of itself, written by one room and read by another."""

from __future__ import annotations

import re

_LINE = re.compile(r"Target: ([0-9.]+)x; found: ([0-9.]+)x\b")


def target_line(target: float, found: float) -> str:
    """The docstring line that holds a program's target against what was found.

    Args:
        target: Speedup that the program is to reach.
        found: Speedup measured of its setting.
    """
    line = f"Target: {target}x; found: {found}x"
    return f"{line} (out of reach of this setting)" if target > found else f"{line} (within reach)"


def read_target_line(text: str) -> tuple[float, float] | None:
    """Target and found speedup from a text that holds such a line, else None."""
    match = _LINE.search(text)
    return (float(match.group(1)), float(match.group(2))) if match else None
