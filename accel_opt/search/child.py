"""The process behind `ChildEvaluator`: requests on stdin, answers on stdout, one line each."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict
from typing import Any

from accel_opt.core.config import Config
from accel_opt.core.errors import AccelOptError, EvaluationError
from accel_opt.core.measurement import Batch
from accel_opt.search.evaluators import resolve
from accel_opt.search.failures import describe

_PR_SET_PDEATHSIG = 1


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
    _answer(out, {"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        batch = request["batch"]
        batch["item_ids"] = tuple(batch["item_ids"])
        try:
            answer = asdict(evaluate(Config(request["config"]), Batch(**batch)))
        except Exception as error:  # noqa: BLE001 - whatever it raises fails one trial only
            reason, text = describe(error)
            answer = {"error": text, "reason": reason}
        _answer(out, answer)


def _answer(out: Any, answer: dict[str, Any]) -> None:
    try:
        text = json.dumps(answer)
    except TypeError as error:
        failed = EvaluationError(f"the measurement is not plain numbers: {error}")
        text = json.dumps({"error": str(failed), "reason": "error"})
    out.write(text + "\n")
    out.flush()


if __name__ == "__main__":
    main()
