"""One search of a grid, for whoever runs it: here, in a process of its own, or as a task of Ray."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accel_opt.core.errors import AccelOptError
from accel_opt.core.events import OnEvent, ignore
from accel_opt.core.measurement import Best
from accel_opt.core.spec import StudySpec
from accel_opt.facade.main_job import run
from accel_opt.search.workers.lines import pack_best, unpack_best

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Answer:
    """What a search of a grid came to.

    Attributes:
        winner: The best setting; None when nothing was feasible.
        answered: Whether it is one to use, and stands in `params`.
        why: Why the search ended.
        params: The search_params.json that was written; None when nothing was exported.
        error: Why there is no answer at all; empty when there is.
    """

    winner: Best | None = None
    answered: bool = False
    why: str = ""
    params: Path | None = None
    error: str = ""

    def to_text(self) -> str:
        """One line of JSON."""
        return json.dumps(
            {
                "winner": None if self.winner is None else pack_best(self.winner),
                "answered": self.answered,
                "why": self.why,
                "params": None if self.params is None else str(self.params),
                "error": self.error,
            }
        )

    @classmethod
    def from_text(cls, text: str) -> Answer:
        """The answer that `to_text` wrote."""
        data: dict[str, Any] = json.loads(text)
        return cls(
            winner=None if data["winner"] is None else unpack_best(data["winner"]),
            answered=data["answered"],
            why=data["why"],
            params=None if data["params"] is None else Path(data["params"]),
            error=data["error"],
        )


def answer(spec: StudySpec, on_event: OnEvent = ignore) -> Answer:
    """Runs one search; what is wrong with it becomes its answer."""
    try:
        outcome = run(spec, on_event)
    except AccelOptError as error:
        return Answer(error=str(error))
    return Answer(outcome.winner, outcome.answered, outcome.result.why_ended, outcome.params)


def task(text: str) -> str:
    """As `answer`, with text in and text out, for processes elsewhere."""
    return answer(StudySpec.model_validate_json(text)).to_text()


def main() -> int:
    """Reads a spec from stdin, writes the answer to stdout."""

    def leave(signum: int, frame: object) -> None:
        del frame
        raise KeyboardInterrupt(signum)

    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(signum, leave)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    out = os.fdopen(os.dup(1), "w")
    # Whatever a pipeline prints must not come before the answer.
    os.dup2(2, 1)
    try:
        out.write(task(sys.stdin.read()) + "\n")
    except KeyboardInterrupt:
        return 128 + signal.SIGTERM
    out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
