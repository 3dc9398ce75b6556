"""Reads a generated program again before anybody gets it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Mapping
from typing import Any

from accel_opt.core.errors import InputError

_REQUIRED = ("load_pipe", "inference", "main")
# Methods of the embedded model's door; nothing else of this package may be imported.
_DOOR = {"load_pipeline", "apply"}


def check_program(source: str, constants: Mapping[str, Any], packages: Collection[str]) -> None:
    """Compiles a program and compares what it holds with what was meant.

    Args:
        source: The program.
        constants: Values by the name of their module-level constant.
        packages: Top-level names, besides the standard library's, that it may import.

    Raises:
        InputError: It does not compile, imports something else, runs something when imported,
            or a constant has another value: a plugin's lines or a value broke the program.
    """
    try:
        tree = ast.parse(source)
        compile(tree, "<program>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise InputError(f"the program does not compile: {error}") from None
    defined: set[str] = set()
    for position, node in enumerate(tree.body):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            _constant(node, constants)
        elif not (isinstance(node, ast.Import | ast.ImportFrom) or _is_frame(node, position)):
            raise InputError(f"the program would run line {node.lineno} when it is imported")
    for inner in ast.walk(tree):
        if isinstance(inner, ast.Import | ast.ImportFrom):
            _import(inner, packages)
    lacking = [name for name in _REQUIRED if name not in defined]
    if lacking:
        raise InputError(f"the program lacks {', '.join(lacking)}")


def _constant(node: ast.Assign | ast.AnnAssign, constants: Mapping[str, Any]) -> None:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    name = names[0] if len(names) == 1 == len(targets) else ""
    if isinstance(node, ast.AnnAssign) and any(
        not isinstance(part, ast.Name | ast.Subscript | ast.Tuple | ast.Load)
        for part in ast.walk(node.annotation)
    ):
        name = ""  # annotations are evaluated too
    if name in ("DEVICE", "DTYPE") and name not in constants:
        return  # chosen when the program runs; a template's own line
    try:
        value = ast.literal_eval(node.value)  # type: ignore[arg-type]  # None is refused too
    except (ValueError, TypeError):
        value = node  # equal to no value
    if name not in constants or value != constants[name]:
        raise InputError(f"line {node.lineno} of the program does not hold what was meant")


def _is_frame(node: ast.stmt, position: int) -> bool:
    """The docstring, or the guard of `main()`."""
    if isinstance(node, ast.Expr) and position == 0:
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.If) and ast.unparse(node) == (
        "if __name__ == '__main__':\n    main()"
    )


def _import(node: ast.Import | ast.ImportFrom, packages: Collection[str]) -> None:
    if isinstance(node, ast.ImportFrom):
        modules = [node.module or ""]
        names = {alias.name for alias in node.names}
    else:
        modules, names = [alias.name for alias in node.names], set()
    for module in modules:
        root = module.partition(".")[0]
        allowed = root in packages or root in sys.stdlib_module_names
        if not allowed or (root == "accel_opt" and not (names and names <= _DOOR)):
            raise InputError(f"the program would import {module}; allowed: {', '.join(packages)}")
