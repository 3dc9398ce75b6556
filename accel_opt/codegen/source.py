"""Source text that may stand in a program, told apart from values that may not."""

from __future__ import annotations

import functools
import re
import textwrap
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from accel_opt.core.errors import InputError
from accel_opt.core.literal import literal

# As the hooks' source that programs carry.
LINE = 100
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Source(str):
    """Text that is source on purpose: literals, checked names, plugins' own lines."""

    __slots__ = ()


def render(template: str, **values: Any) -> str:
    """A program from a template of this room.

    Args:
        template: Name of the template.
        values: What it names; anything but `Source`, flags and lists of these is refused.

    Raises:
        TypeError: A plain value reaches the text: our own mistake, it would be run as code.
    """
    return _environment().get_template(template).render(values)


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("accel_opt.codegen"),
        undefined=StrictUndefined,
        finalize=_only_source,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Python, not HTML; `finalize` lets nothing else through
    )


def constant(name: str, value: Any, annotation: str = "") -> Source:
    """The statement `NAME = literal` or `NAME: annotation = literal`, as formatters lay it out."""
    name = f"{name}: {annotation}" if annotation else name
    line = f"{name} = {literal(value, 0, len(name) + 3)}"
    if isinstance(value, str) and len(line) > LINE >= len(line) - len(name) + 1:
        # Too long for one line, but not for a line of its own.
        return Source(f"{name} = (\n    {literal(value)}\n)")
    return Source(line)


def identifier(name: str, pattern: str = "") -> Source:
    """A name that may stand in a program.

    Args:
        name: The name.
        pattern: What it must look like besides, as a regular expression.

    Raises:
        InputError: It is no such name.
    """
    if not _IDENTIFIER.fullmatch(name) or (pattern and not re.fullmatch(pattern, name)):
        raise InputError(f"{name!r:.60} is no name of a class, such as DDIMScheduler")
    return Source(name)


def docstring(paragraphs: list[str]) -> Source:
    """The inside of a module's docstring; texts in it may come from anybody.

    Args:
        paragraphs: One or more lines each; the first is the summary.
    """
    blocks = []
    for paragraph in paragraphs:
        lines: list[str] = []
        for line in paragraph.splitlines() or [""]:
            wrapped = textwrap.wrap(_readable(line), 88, break_on_hyphens=False)
            lines += wrapped or [""]
        blocks.append("\n".join(line.rstrip() for line in lines))
    return Source("\n\n".join(blocks).strip() + "\n")


def _readable(text: str) -> str:
    """`text` without what would end a docstring, escape, or fool a reader's eye."""
    plain = text.replace('"', "'").replace("\\", "/")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in plain)


def _only_source(value: Any) -> Any:
    if not isinstance(value, Source):
        raise TypeError(f"{value!r:.60} is not marked as source")
    return value
