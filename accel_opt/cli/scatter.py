"""A small plot of speed and loss in text cells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

_MARKS = {"stopped": "·", "infeasible": "○", "feasible": "●", "best": "★"}
_PLAIN = {"stopped": ".", "infeasible": "o", "feasible": "x", "best": "*"}
_STYLES = {"stopped": "dim", "infeasible": "red", "feasible": "cyan", "best": "bold yellow"}
_ORDER = ("stopped", "infeasible", "feasible", "best")


@dataclass(frozen=True)
class Dot:
    """One setting: its speedup, its loss over the limit (1.0 is the limit), what it is."""

    speedup: float
    share: float
    kind: str


def scatter(dots: Sequence[Dot], width: int, height: int, *, unicode: bool = True) -> list[Text]:
    """Lines of a plot: to the right is faster, further down loses less.

    Args:
        dots: What to show.
        width: Cells across, the axis' names included.
        height: Lines, the axis included.
        unicode: Whether the terminal knows more than ASCII.
    """
    shown = [d for d in dots if math.isfinite(d.speedup) and math.isfinite(d.share)]
    columns, rows = max(width - 8, 4), max(height - 1, 2)
    if not shown:
        return [Text("no measurements yet", "dim")]
    top = min(3.0, max(1.25, *(d.share for d in shown)))
    low = min(0.0, *(d.share for d in shown))
    left = min(1.0, *(d.speedup for d in shown))
    right = max(left + 0.5, *(d.speedup for d in shown))
    limit = _row(1.0, low, top, rows)
    grid: list[list[tuple[str, str]]] = [[(" ", "")] * columns for _ in range(rows)]
    grid[limit] = [("┄" if unicode else "-", "red dim")] * columns
    marks = _MARKS if unicode else _PLAIN
    for dot in sorted(shown, key=lambda d: _ORDER.index(d.kind)):
        column = round((dot.speedup - left) / (right - left) * (columns - 1))
        grid[_row(dot.share, low, top, rows)][column] = (marks[dot.kind], _STYLES[dot.kind])
    edge = "│" if unicode else "|"
    lines = []
    for place, cells in enumerate(grid):
        line = Text().append("  limit " if place == limit else " " * 7 + edge, "dim")
        for mark, style in cells:
            line.append(mark, style)
        lines.append(line)
    first, last = f"{left:.1f}x", f"{right:.1f}x"
    axis = f"{first}{'speedup':^{max(columns - len(first) - len(last), 9)}}{last}"
    lines.append(Text(" " * 8 + axis, "dim"))
    return lines


def _row(share: float, low: float, top: float, rows: int) -> int:
    """Row from above; what lies beyond the top stands in the first one."""
    return round((top - min(share, top)) / (top - low) * (rows - 1))
