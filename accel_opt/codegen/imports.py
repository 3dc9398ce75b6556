"""The import lines of a program: those its body uses, each once, in the usual order."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable

# Typed, or ours; what else a program imports has no types that a checker could read.
_TYPED = {"torch", "diffusers", "accel_opt"}


def import_lines(lines: Iterable[str], body: str) -> str:
    """Merged, sorted and pruned imports.

    Args:
        lines: Import statements.
        body: Source below them; names that it does not use are left out.
    """
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    modules: set[tuple[str, str | None]] = set()
    names: dict[str, set[tuple[str, str | None]]] = {}
    for statement in ast.parse("\n".join(lines)).body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                if (alias.asname or alias.name.partition(".")[0]) in used:
                    modules.add((alias.name, alias.asname))
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            for alias in statement.names:
                if (alias.asname or alias.name) in used or statement.module == "__future__":
                    names.setdefault(statement.module, set()).add((alias.name, alias.asname))
    sections = [[], [], []]  # type: list[list[str]]
    for module, asname in sorted(modules, key=lambda m: m[0].lower()):
        line = f"import {module}" + (f" as {asname}" if asname else "")
        sections[_section(module)].append(line + _remark(module))
    for module in sorted(names, key=str.lower):
        sections[_section(module)].append(_from(module, names[module]) + _remark(module))
    return "\n\n".join("\n".join(section) for section in sections if section)


def _from(module: str, names: set[tuple[str, str | None]]) -> str:
    parts = [n + (f" as {a}" if a else "") for n, a in sorted(names, key=_place)]
    line = f"from {module} import {', '.join(parts)}"
    if len(line) <= 88:
        return line
    inner = "".join(f"    {part},\n" for part in parts)
    return f"from {module} import (\n{inner})"


def _place(pair: tuple[str, str | None]) -> tuple[int, str]:
    """Constants, then classes, then the rest."""
    name = pair[0]
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name.lower()


def _section(module: str) -> int:
    root = module.partition(".")[0]
    if root == "__future__":
        return 0
    return 1 if root in sys.stdlib_module_names else 2


def _remark(module: str) -> str:
    root = module.partition(".")[0]
    return "" if root in _TYPED or _section(module) < 2 else "  # type: ignore"
