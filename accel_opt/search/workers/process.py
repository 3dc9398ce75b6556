"""The process of one worker: `python -m accel_opt.search.workers.process`.

Its coordinator reads events from stdout, one JSON line each. The storage's URL comes through the
environment, as command lines are for everybody on a machine to read.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

from accel_opt.core.errors import InputError
from accel_opt.core.events import Event
from accel_opt.search.workers.joining import join
from accel_opt.search.workers.lines import last_line, line_of
from accel_opt.search.workers.problem import named, of_study

STORAGE = "ACCEL_OPT_STORAGE"
PARENT = "ACCEL_OPT_COORDINATOR"
REFUSED = 2
_PR_SET_PDEATHSIG = 1


class Drained(KeyboardInterrupt):
    """SIGTERM, SIGHUP or SIGINT: the setting is given back, and the worker leaves."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.status = 128 + signum


def main(arguments: list[str] | None = None) -> int:
    """Works until the search ends.

    Returns:
        0 when a rule ended the search, 2 when this worker is refused, 128 + the signal's number
        when it was drained.
    """
    parser = argparse.ArgumentParser(prog="python -m accel_opt.search.workers.process")
    parser.add_argument("--study", required=True)
    parser.add_argument("--problem", help="module:function, where the study does not say")
    parser.add_argument("--device")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--allow-drift", action="store_true")
    options = parser.parse_args(arguments)
    for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(signum, _drain)
    out = os.fdopen(os.dup(1), "w", buffering=1)
    # Whatever a pipeline prints must not come between the lines.
    os.dup2(2, 1)

    def tell(event: Event) -> None:
        line = line_of(event)
        if line is not None:
            # A coordinator that is gone hears nothing; its death is noticed otherwise.
            with contextlib.suppress(BrokenPipeError):
                out.write(line + "\n")

    try:
        _follow(os.environ.get(PARENT, ""))
        storage = os.environ.get(STORAGE, "")
        problem = (
            named(options.problem)
            if options.problem
            else of_study(storage, options.study, device=options.device, out=options.out)
        )
        ending = join(
            problem,
            storage,
            options.study,
            seconds=options.seconds,
            allow_drift=options.allow_drift,
            out=options.out,
            on_event=tell,
        )
    except InputError as error:
        out.write(last_line(None, str(error)) + "\n")
        return REFUSED
    except KeyboardInterrupt as error:
        return getattr(error, "status", 130)
    out.write(last_line(ending) + "\n")
    return 0


def _drain(signum: int, frame: object) -> None:
    del frame
    raise Drained(signum)


def _follow(parent: str) -> None:
    """Has this process drained when its coordinator dies, however it dies."""
    if not parent.isdigit():
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        raise Drained(signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
