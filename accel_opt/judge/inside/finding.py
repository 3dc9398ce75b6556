"""Loading a program and finding its pipeline."""

from __future__ import annotations

import ast
import contextlib
import sys
import types
from pathlib import Path
from typing import Any

_STEPS = "num_inference_steps"
_LOOKED_FOR = "looked for a global `pipe`, load_pipe() and apply_optimizations()"


def load(path: Path) -> types.ModuleType:
    """Runs a program as a module, so that its `if __name__ == "__main__"` part stays out."""
    # Compiled first: a syntax error is found before anything heavy is imported.
    code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    module = types.ModuleType("program")
    module.__file__ = str(path)
    sys.modules["program"] = module
    exec(code, module.__dict__)  # noqa: S102 - that is what the sandbox is for
    return module


def find(module: types.ModuleType) -> tuple[Any, str]:
    """A program's pipeline, and where it was found.

    Raises:
        LookupError: There is none; the message says what was looked for.
    """
    pipe = getattr(module, "pipe", None)
    if pipe is not None:
        return _checked(pipe, "pipe"), "pipe"
    for name in ("load_pipe", "apply_optimizations"):
        function = getattr(module, name, None)
        if callable(function):
            return _checked(function(), f"{name}()"), f"{name}()"
    raise LookupError(f"no pipeline: {_LOOKED_FOR}")


def steps_in_source(module: types.ModuleType) -> int:
    """The steps that a program passes to a call, by its text; 50 where it passes none."""
    for node in ast.walk(ast.parse(Path(str(module.__file__)).read_bytes())):
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            if keyword.arg == _STEPS:
                with contextlib.suppress(ValueError, TypeError):
                    return int(_value(keyword.value, module))
    return 50


def _value(node: ast.expr, module: types.ModuleType) -> Any:
    if isinstance(node, ast.Name):
        return getattr(module, node.id, None)
    return ast.literal_eval(node)


def _checked(value: Any, where: str) -> Any:
    if not callable(value) or not hasattr(value, "scheduler"):
        raise LookupError(f"{where} is a {type(value).__name__}, no pipeline; {_LOOKED_FOR}")
    return value
