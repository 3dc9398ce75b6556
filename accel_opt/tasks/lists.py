"""Task lists in files: Python, JSON or plain text. Nothing of them is ever executed."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from accel_opt.core.errors import InputError
from accel_opt.core.files import write_atomically
from accel_opt.core.literal import text_literal

SUFFIXES = (".py", ".json", ".txt")


def read_tasks(path: str | Path) -> list[str]:
    """The task texts of a file.

    Args:
        path: A .py file with `tasks = [...]`, a .json list of texts or of objects with a
            `prompt_context`, or a .txt file with one text a line (`#` begins a comment).

    Raises:
        InputError: There is no such file, or it is none of these.
    """
    path = Path(path)
    try:
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"no file {path}; write one: accel-opt tasks baselines --out {path.name}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    readers = {".py": _from_python, ".json": _from_json, ".txt": _from_text}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path}: task lists end in {', '.join(SUFFIXES)}")
    texts = reader(path, content)
    wrong = [text for text in texts if not isinstance(text, str)]
    if wrong:
        raise InputError(f"{path}: {wrong[0]!r:.60} is no task text; a list of texts is expected")
    if not texts:
        raise InputError(f"{path} holds no task texts")
    return texts


def write_tasks(path: str | Path, texts: Iterable[str]) -> None:
    """Writes a task list in the form that the file's name asks for."""
    write_atomically(Path(path), tasks_text(texts, Path(path).suffix))


def tasks_text(texts: Iterable[str], suffix: str = ".txt") -> str:
    """A task list as a file holds it.

    Args:
        texts: The task texts.
        suffix: ".py" for an importable `tasks = [...]`, ".json", or ".txt".

    Raises:
        InputError: No such form, or a text that the form cannot hold.
    """
    lines = list(texts)
    lone = next((text for text in lines if not _encodable(text)), None)
    if lone is not None:
        raise InputError(f"{lone!a:.60} holds half a character, which no file can")
    if suffix == ".py":
        items = "".join(f"    {text_literal(text)},\n" for text in lines)
        return f"tasks = [\n{items}]\n"
    if suffix == ".json":
        return json.dumps(lines, indent=2, ensure_ascii=False) + "\n"
    if suffix != ".txt":
        raise InputError(f"task lists end in {', '.join(SUFFIXES)}, not {suffix!r}")
    for text in lines:
        if not text.strip() or text != text.strip() or text.startswith("#") or _broken(text):
            raise InputError(f"{text!r:.60} does not fit on a line of a .txt list; use .json")
    return "".join(f"{text}\n" for text in lines)


def _broken(text: str) -> bool:
    return len(text.splitlines()) > 1


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _from_python(path: Path, content: str) -> list[Any]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"{path} is no Python: {error}") from None
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            targets = [node.target]
        if any(isinstance(t, ast.Name) and t.id == "tasks" for t in targets):
            try:
                value = ast.literal_eval(node.value)  # type: ignore[attr-defined]
            except (ValueError, TypeError):
                raise InputError(f"{path}: tasks must be a plain list of texts") from None
            return list(value) if isinstance(value, list | tuple) else [value]
    raise InputError(f"{path} has no list named tasks; write tasks = [...]")


def _from_json(path: Path, content: str) -> list[Any]:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from None
    if isinstance(data, dict):
        data = data.get("tasks")
    if not isinstance(data, list):
        raise InputError(f"{path}: a list of task texts is expected")
    return [item.get("prompt_context") if isinstance(item, dict) else item for item in data]


def _from_text(path: Path, content: str) -> list[Any]:
    del path
    lines = (line.strip() for line in content.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
