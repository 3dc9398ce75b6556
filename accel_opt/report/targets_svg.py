"""Target against achieved speedup of judged programs, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from accel_opt.report.judged import Judged
from accel_opt.report.scale import Axis, bounds

WIDTH, HEIGHT = 860, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 18, 16, 46


def draw(results: Sequence[Judged]) -> str:
    """The SVG element; empty when no program was measured against a target."""
    known = [(one, one.target, one.speedup) for one in results]
    shown = [(one, t, s) for one, t, s in known if t is not None and s is not None]
    if not shown:
        return ""
    x = Axis(*bounds([t for _, t, _ in shown] + [1.0]), _LEFT, WIDTH - _RIGHT)
    y = Axis(*bounds([s for _, _, s in shown] + [1.0]), HEIGHT - _BOTTOM, _TOP)
    low, high = max(x.low, y.low), min(x.high, y.high)
    title = "target and achieved speedup of every program"
    parts = [f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">']
    for tick in x.ticks(8):
        parts.append(f'<path class="grid" d="M{x.at(tick)} {y.end}V{y.start}"/>')
        parts.append(f'<text class="tick" x="{x.at(tick)}" y="{y.start + 18}">{tick:g}×</text>')
    for tick in y.ticks():
        parts.append(f'<path class="grid" d="M{x.start} {y.at(tick)}H{x.end}"/>')
        parts.append(
            f'<text class="tick end" x="{x.start - 8}" y="{y.at(tick) + 4}">{tick:g}×</text>'
        )
    parts.append(f'<path class="limit" d="M{x.at(low)} {y.at(low)}L{x.at(high)} {y.at(high)}"/>')
    middle = (y.start + y.end) / 2
    parts += [
        f'<text class="axis" x="{(x.start + x.end) / 2}" y="{HEIGHT - 6}">target</text>',
        f'<text class="axis" transform="translate(14 {middle}) rotate(-90)">achieved</text>',
        *(_mark(one, x.at(t), y.at(s)) for one, t, s in shown),
        "</svg>",
    ]
    return "\n".join(parts)


def _mark(one: Judged, a: float, b: float) -> str:
    kind = "front" if one.passed else "infeasible"
    if one.difficulty == "easy":
        shape = f"M{a - 5} {b}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z"
    elif one.difficulty == "medium":
        shape = f"M{a - 4.5} {b - 4.5}h9v9h-9Z"
    else:
        shape = f"M{a - 5.5} {b + 5}L{a} {b - 5.5}L{a + 5.5} {b + 5}Z"
    word = "passed" if one.passed else one.reason
    text = f"{one.prompt_id} ({one.difficulty}): {one.speedup:.2f}× of {one.target:g}×, {word}"
    return (
        f'<a href="#task-{escape(one.prompt_id)}"><path class="m {kind}" d="{shape}"/>'
        f"<title>{escape(text)}</title></a>"
    )
