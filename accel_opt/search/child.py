"""The process behind `ChildEvaluator`: requests on stdin, answers on stdout, one line each."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import IO, Any

from accel_opt.core.config import Config
from accel_opt.core.errors import AccelOptError
from accel_opt.core.measurement import Batch, BatchMeasurement, Begin
from accel_opt.search.evaluators import resolve
from accel_opt.search.failures import describe

_PR_SET_PDEATHSIG = 1

# What waits for a batch's scores, or the answer itself.
Begun = Callable[[], BatchMeasurement] | dict[str, Any]


def main() -> None:
    """Serves one evaluator until stdin closes."""
    with contextlib.suppress(OSError, AttributeError):
        # A parent that is killed leaves no orphan behind that goes on generating.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    out = os.fdopen(os.dup(1), "w")
    # Whatever the evaluator prints must not come between the answers.
    os.dup2(2, 1)
    try:
        evaluate = resolve(sys.argv[1])
    except AccelOptError as error:
        _answer(out, {"error": str(error), "reason": "input"})
        return
    begin = getattr(evaluate, "begin", None)
    begin = begin if callable(begin) else None
    _answer(out, {"ready": True, "begins": begin is not None})
    begun: queue.Queue[tuple[int, Begun] | None] = queue.Queue()
    answering = threading.Thread(target=_answer_all, args=(out, begun), daemon=True)
    answering.start()
    try:
        for line in sys.stdin:
            request = json.loads(line)
            batch = request["batch"]
            batch["item_ids"] = tuple(batch["item_ids"])
            asked = Config(request["config"]), Batch(**batch)
            if batch["timed"]:
                begun.join()
            # Images are generated in this thread; the other waits for their scores meanwhile.
            found = _begun(begin, *asked) if begin else _told(partial(evaluate, *asked))
            begun.put((request["number"], found))
    finally:
        # An evaluator that exits takes this process with it, as soon as all is told.
        begun.put(None)
        answering.join()


def _begun(begin: Begin, config: Config, batch: Batch) -> Begun:
    try:
        return begin(config, batch)
    except Exception as error:  # noqa: BLE001 - whatever it raises fails one trial only
        return _failure(error)


def _told(measure: Callable[[], BatchMeasurement]) -> dict[str, Any]:
    try:
        return asdict(measure())
    except Exception as error:  # noqa: BLE001 - likewise
        return _failure(error)


def _failure(error: Exception) -> dict[str, Any]:
    reason, text = describe(error)
    return {"error": text, "reason": reason}


def _answer_all(out: IO[str], begun: queue.Queue[tuple[int, Begun] | None]) -> None:
    try:
        while (item := begun.get()) is not None:
            number, found = item
            answer = found if isinstance(found, dict) else _told(found)
            _answer(out, {"number": number, **answer})
            begun.task_done()
    except BaseException:  # noqa: BLE001 - this process ends
        # Whoever asked must not wait for a thread that is gone.
        traceback.print_exc()
        os._exit(1)


def _answer(out: IO[str], answer: dict[str, Any]) -> None:
    try:
        text = json.dumps(answer)
    except (TypeError, ValueError) as error:
        failed = f"the measurement is not plain numbers: {error}"
        text = json.dumps({"number": answer["number"], "error": failed, "reason": "error"})
    out.write(text + "\n")
    out.flush()


if __name__ == "__main__":
    main()
