"""A live display that survives a narrower window.

Terminals wrap what stands on them anew when they get narrower: what was one line of the display
is two afterwards. Rich moves up by the number of lines that it wrote, and leaves the rest behind.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment


class Measured:
    """A renderable that remembers how long its lines were; blanks at their ends are left out.

    Attributes:
        lengths: Cells of each line drawn last.
    """

    def __init__(self, inner: RenderableType) -> None:
        self._inner = inner
        self.lengths: list[int] = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draws the lines."""
        lines = [_without_end(line) for line in console.render_lines(self._inner, options)]
        self.lengths = [Segment.get_line_length(line) for line in lines]
        for line in lines:
            yield from line
            yield Segment.line()

    def rows(self, width: int) -> int:
        """Rows that the lines take on a terminal of this width."""
        return sum(max(1, -(-length // max(width, 1))) for length in self.lengths)


class ReflowingLive(Live):
    """Rich's live display over `Measured`."""

    def __init__(self, inner: RenderableType, **options: Any) -> None:
        self._measured = Measured(inner)
        super().__init__(self._measured, **options)

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Moves up by the rows that the last drawing takes now."""
        with self._lock:
            drawn = self._live_render._shape  # noqa: SLF001 - there is no public way
            if drawn is not None:
                rows = self._measured.rows(self.console.width)
                self._live_render._shape = (drawn[0], rows)  # noqa: SLF001
            return super().process_renderables(renderables)


def _without_end(line: list[Segment]) -> list[Segment]:
    """The line without blanks at its end."""
    kept = list(line)
    while kept and not kept[-1].text.strip():
        kept.pop()
    if kept:
        last = kept[-1]
        kept[-1] = Segment(last.text.rstrip(), last.style, last.control)
    return kept
