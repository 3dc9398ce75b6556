"""Where a command's words go: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")
]

QuietFlag = Annotated[
    bool, typer.Option("--quiet", "-q", help="Plain lines, and only of what changes the answer.")
]


def messages() -> Console:
    """A console on stderr; colour only on a terminal and without NO_COLOR."""
    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def results() -> Console:
    """A console on stdout."""
    width = None if sys.stdout.isatty() else 120
    return Console(highlight=False, width=width)


def emit_json(data: Any) -> None:
    """Prints one JSON document on stdout."""
    print(json.dumps(data, indent=2, default=_plain, ensure_ascii=False))  # noqa: T201


def emit_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Prints a table on stdout; cells are text, never markup."""
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(clean(cell)) for cell in row))
    results().print(table)


def clean(text: str) -> str:
    """`text` without control characters: names in files may come from anybody."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)
