"""Runs the lines that an accelerator writes for standalone programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accel_opt.accelerators.base import CodeLines


def run_program(lines: CodeLines, pipe: Any, generate: Callable[..., Any]) -> Any:
    """What `generate(call, **call_arguments)` returns in a program made of `lines`.

    Args:
        lines: Code lines of an accelerator or a stack.
        pipe: A pipeline of the program's own: packages leave traces on it.
        generate: Calls its argument, which is the pipeline or one of its methods.
    """
    body = [*lines.setup, *lines.before_call]
    source = "\n".join(
        [
            *lines.imports,
            lines.definitions,
            "def program(pipe, generate, arguments):",
            *(f"    {line}" for line in body),
            f"    return generate({lines.call}, **arguments)",
        ]
    )
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(source, "<program>", "exec"), names)  # noqa: S102 - our own lines
    return names["program"](pipe, generate, dict(lines.call_arguments or {}))
