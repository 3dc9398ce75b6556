"""The plot as inline SVG: colours come from the page's style, so that it suits light and dark."""

from __future__ import annotations

import math
from html import escape
from itertools import groupby

from accel_opt.core.measurement import Interval
from accel_opt.report.plot import Mark, Plot
from accel_opt.report.scale import Axis

WIDTH, HEIGHT = 860, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 18, 16, 46
_SIZE = {"stopped": 2.6, "infeasible": 4.2, "feasible": 4.6, "front": 5.2, "baseline": 4.4}


def draw(plot: Plot) -> str:
    """The SVG element; text from outside is escaped."""
    x = Axis(*plot.x, _LEFT, WIDTH - _RIGHT)
    y = Axis(*plot.y, HEIGHT - _BOTTOM, _TOP)
    title = f"speedup and {escape(plot.label)} of every evaluation"
    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
        *_ground(plot, x, y),
        *_curves(plot, x, y),
        *(_mark(mark, x, y) for mark in plot.marks),
        "</svg>",
    ]
    return "\n".join(parts)


def _ground(plot: Plot, x: Axis, y: Axis) -> list[str]:
    parts = []
    limit = y.at(plot.limit)
    if y.holds(plot.limit):
        parts.append(
            f'<rect class="over" x="{x.start}" y="{y.end}" width="{x.end - x.start}" '
            f'height="{limit - y.end:.1f}"/>'
        )
    for tick in x.ticks(8):
        place = x.at(tick)
        parts.append(f'<path class="grid" d="M{place} {y.end}V{y.start}"/>')
        parts.append(f'<text class="tick" x="{place}" y="{y.start + 18}">{tick:g}×</text>')
    for tick in y.ticks(8):
        place = y.at(tick)
        name = f"{100 * tick:g}" if plot.relative else f"{tick:g}"
        parts.append(f'<path class="grid" d="M{x.start} {place}H{x.end}"/>')
        parts.append(f'<text class="tick end" x="{x.start - 8}" y="{place + 4}">{name}</text>')
    if y.holds(plot.limit):
        parts.append(f'<path class="limit" d="M{x.start} {limit}H{x.end}"/>')
        parts.append(
            f'<text class="limit-name" x="{x.end - 6}" y="{limit - 6}">allowed loss</text>'
        )
    middle = (x.start + x.end) / 2
    parts.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 6}">speedup</text>')
    parts.append(
        f'<text class="axis" transform="translate(14 {(y.start + y.end) / 2}) rotate(-90)">'
        f"{escape(plot.label)}</text>"
    )
    if x.holds(1.0) and y.holds(0.0):
        parts.append(
            f'<path class="origin" d="M{x.at(1) - 6} {y.at(0)}h12M{x.at(1)} {y.at(0) - 6}v12">'
            "<title>the baseline</title></path>"
        )
    return parts


def _curves(plot: Plot, x: Axis, y: Axis) -> list[str]:
    """The front, and each kind of baseline from the plain pipeline on."""
    parts = []
    named = sorted((m for m in plot.marks if m.series), key=lambda m: (m.series, m.x))
    for place, (series, group) in enumerate(groupby(named, key=lambda m: m.series)):
        marks = list(group)
        points = [(1.0, 0.0), *((m.x, m.y) for m in marks)]
        parts.append(f'<path class="curve c{place}" d="{_path(sorted(points), x, y)}"/>')
        last = marks[-1]
        parts.append(
            f'<text class="curve-name c{place}" x="{x.at(last.x) - 6}" y="{y.at(last.y) - 9}">'
            f"{escape(series)}</text>"
        )
    front = sorted((m.x, m.y) for m in plot.marks if m.kind == "front")
    if len(front) > 1:
        parts.append(f'<path class="front-line" d="{_path(front, x, y)}"/>')
    return parts


def _path(points: list[tuple[float, float]], x: Axis, y: Axis) -> str:
    return "M" + "L".join(f"{x.at(a)} {y.at(b)}" for a, b in points)


def _mark(mark: Mark, x: Axis, y: Axis) -> str:
    a, b = x.at(mark.x), y.at(mark.y)
    shape = f'<path class="m {mark.kind}" d="{_outline(mark, a, b, inside=y.holds(mark.y))}"/>'
    parts = [_whisker(mark.across, x, b, across=True), _whisker(mark.along, y, a, across=False)]
    inner = "".join([*parts, shape, f"<title>{escape(mark.text)}</title>"])
    if mark.kind == "winner":
        place = min(max(a, _LEFT + 40), WIDTH - _RIGHT - 40)
        below = b < _TOP + 34
        inner += (
            f'<text class="winner-name" x="{place}" y="{b + 28 if below else b - 17}">'
            f"best {mark.x:.2f}×</text>"
        )
    if mark.trial is None:
        return f"<g>{inner}</g>"
    return f'<a href="#t{mark.trial}">{inner}</a>'


def _outline(mark: Mark, a: float, b: float, *, inside: bool) -> str:
    if not inside:
        # Beyond the edge: an arrow that points out of the plot.
        return f"M{a - 4} {b + 7}L{a} {b}L{a + 4} {b + 7}Z"
    if mark.kind == "winner":
        return _star(a, b, 11)
    r = _SIZE.get(mark.kind, 5.0)
    if mark.kind == "baseline":
        return f"M{a} {b - r}L{a + r} {b}L{a} {b + r}L{a - r} {b}Z"
    if mark.kind == "preset":
        return f"M{a - r} {b + r}L{a} {b - r}L{a + r} {b + r}Z"
    return f"M{a - r} {b}a{r} {r} 0 1 0 {2 * r} 0a{r} {r} 0 1 0 {-2 * r} 0Z"


def _star(a: float, b: float, size: float) -> str:
    points = []
    for i in range(10):
        radius = size if i % 2 == 0 else size * 0.45
        angle = math.pi * i / 5
        points.append(f"{a + radius * math.sin(angle):.1f} {b - radius * math.cos(angle):.1f}")
    return "M" + "L".join(points) + "Z"


def _whisker(interval: Interval | None, axis: Axis, other: float, *, across: bool) -> str:
    if interval is None or not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return ""
    low, high = axis.at(interval.low), axis.at(interval.high)
    path = f"M{low} {other}H{high}" if across else f"M{other} {low}V{high}"
    return f'<path class="whisker" d="{path}"/>'
