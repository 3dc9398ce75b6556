"""Requests in, answers out: one JSON object a line, each answer with its request's number."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Mapping
from typing import Any

Handler = Callable[[dict[str, Any]], Mapping[str, Any]]

_LONGEST = 4000


def serve(handlers: Mapping[str, Handler]) -> None:
    """Answers requests by the handler that their `do` names, until the channel closes."""
    # On the path of sandboxed programs only; see `judge.sandbox.environment`.
    from accel_opt_channel import Client  # type: ignore[import-not-found]

    client = Client()
    while (request := client.receive()) is not None:
        client.send({"id": request["id"], **_answer(handlers[request["do"]], request)})


def _answer(handler: Handler, request: dict[str, Any]) -> Mapping[str, Any]:
    try:
        return handler(request)
    # A program may call sys.exit, or raise what derives from nothing else.
    except BaseException as error:  # noqa: BLE001
        text = "".join(traceback.format_exception_only(error)).strip() or type(error).__name__
        where = _where(error)
        failure = {"failed": f"{text[:_LONGEST]}{where}", "out_of_memory": _is_memory(error)}
    _free()
    return failure


def _where(error: BaseException) -> str:
    with contextlib.suppress(Exception):
        own = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename.endswith("program.py") and "accel_opt" not in frame.filename
        ]
        return f" (line {own[-1].lineno} of the program)" if own else ""
    return ""


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def _free() -> None:
    import gc
    import sys

    # Outside the except block, whose traceback holds the tensors.
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
