"""Prompts out of a text or JSONL file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from accel_opt.core.errors import InputError

SUFFIXES = (".txt", ".jsonl")
_USUAL = ("prompt", "caption", "text")


def texts_of(path: Path, column: str | None = None) -> list[str]:
    """The prompts of a file: one a line, or one JSON string or object a line.

    Args:
        path: A .txt or .jsonl file in UTF-8.
        column: Key of the objects; None takes "prompt", "caption" or "text".

    Raises:
        InputError: It cannot be read, or a line holds no text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read prompts from {path}: {error}") from None
    if path.suffix == ".txt":
        return [line.strip() for line in lines if line.strip()]
    return [
        _from_json(path, number, line, column)
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def _from_json(path: Path, number: int, line: str, column: str | None) -> str:
    try:
        data: Any = json.loads(line)
    except ValueError:
        data = None
    keys = (column,) if column else _USUAL
    if isinstance(data, dict):
        data = next((data[key] for key in keys if key in data), None)
    if not isinstance(data, str) or not data.strip():
        expected = " or ".join(f'"{key}"' for key in keys)
        raise InputError(f"{path}, line {number}: expected a string or an object with {expected}")
    return data.strip()
