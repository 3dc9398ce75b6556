"""A search's result as a plain table for notebooks."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from accel_opt.core.measurement import Best, Interval

if TYPE_CHECKING:
    from accel_opt.search.study import SearchResult


def result_table_html(result: SearchResult) -> str:
    """The best setting and the front, fastest first; no style of its own."""
    best = result.best
    head = f"{len(result.trials)} evaluations; {result.why_ended}"
    if best is None:
        return f"<p><b>No feasible setting.</b> {escape(head)}</p>"
    rows = [_row("confirmed" if best.confirmed else "best, not confirmed", best)]
    rows += [_row("front", one) for one in result.pareto if one.key != best.key]
    columns = ("", "setting", "speedup", "95 %", "score loss", "95 %", "s per item")
    header = "".join(f"<th>{name}</th>" for name in columns)
    body = "".join(rows)
    return (
        f"<table><caption>{escape(head)}</caption><thead><tr>{header}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


def _row(word: str, best: Best) -> str:
    speed, loss = best.speedup, best.score_loss
    cells = (
        word,
        str(best.config),
        f"{speed.value:.2f}x",
        _range(speed, 1),
        f"{100 * loss.value:+.2f} %",
        _range(loss, 100),
        f"{best.latency_s:.3g}",
    )
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _range(interval: Interval, scale: float) -> str:
    if not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return ""
    return f"{scale * interval.low:.2f} .. {scale * interval.high:.2f}"
