"""Carried source without what the program does not use."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

_Definition = ast.FunctionDef | ast.ClassDef


def pruned(source: str, uses: Iterable[str]) -> str:
    """`source` without the functions, classes and methods that nothing names.

    Args:
        source: Functions and classes of a module.
        uses: Lines of the program that use them.
    """
    lines = list(uses)
    while (unused := next(_unused(source, lines), None)) is not None:
        source = _without(source, unused)
    return source


def _unused(source: str, uses: list[str]) -> Iterator[_Definition]:
    tree = ast.parse(source)
    named = _names(tree) | _names(ast.parse("\n".join(uses)))
    for node in tree.body:
        if not isinstance(node, _Definition):
            continue
        if node.name not in named:
            yield node
        elif isinstance(node, ast.ClassDef) and not node.bases:  # a base may call what it knows
            yield from (
                method
                for method in node.body
                if isinstance(method, ast.FunctionDef)
                and method.name not in named
                and not method.name.startswith("__")
            )


def _names(tree: ast.AST) -> set[str]:
    """Everything that is named, attributes and texts (for `getattr`) included."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found


def _without(source: str, node: _Definition) -> str:
    """`source` without a definition, its decorators, the comment above and the lines between."""
    lines = source.split("\n")
    start = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]) - 1
    while start and lines[start - 1].strip().startswith("#"):
        start -= 1
    while start and not lines[start - 1].strip():
        start -= 1
    return "\n".join(lines[:start] + lines[node.end_lineno :]).lstrip("\n")
