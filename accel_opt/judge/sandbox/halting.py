"""Stopping a running program for a while, so that it cannot disturb what is measured beside it."""

from __future__ import annotations

import contextlib
import os
import signal

from accel_opt.judge.sandbox.stage import tree

_ROUNDS = 50


def pause(supervisor: int) -> None:
    """Stops every process below a supervisor; none that they fork meanwhile is missed."""
    seen: set[int] = set()
    for _ in range(_ROUNDS):
        new = _signal_all(supervisor, signal.SIGSTOP, seen)
        if not new:
            return
        seen |= new


def resume(supervisor: int) -> None:
    """Lets every process below a supervisor go on."""
    _signal_all(supervisor, signal.SIGCONT, set())


def _signal_all(supervisor: int, number: int, done: set[int]) -> set[int]:
    handles: dict[int, int] = {}
    try:
        for pid, _ in tree.descendants(supervisor):
            if pid not in done:
                with contextlib.suppress(OSError):
                    handles[pid] = os.pidfd_open(pid)
        # Looked at again: the number of a process that has ended may be somebody else's by now.
        still = {pid for pid, _ in tree.descendants(supervisor)} & handles.keys()
        for pid in still:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(handles[pid], number)
        return still
    finally:
        for handle in handles.values():
            os.close(handle)
