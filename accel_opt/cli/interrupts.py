"""Ctrl-C, SIGTERM and SIGHUP: how a command is interrupted, and what it ends with."""

from __future__ import annotations

import signal

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_asked: list[int] = []


class Interruption(KeyboardInterrupt):
    """A signal that asks a command to save what it has and to end."""


def listen() -> None:
    """Has signals raise `Interruption`; one that is ignored, as by nohup, stays so."""
    _asked.clear()
    for signum in _SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _interrupt)


def asked() -> int | None:
    """Number of the first signal since `listen`; None without one."""
    return _asked[0] if _asked else None


def check() -> None:
    """Raises once more what was raised in vain.

    Python drops an exception that a signal raises while an object is collected or a callback of C
    runs, as happens while packages are imported; Ctrl-C would do nothing then.
    """
    if _asked:
        raise Interruption(_asked[0])


def _interrupt(signum: int, frame: object) -> None:
    del frame
    _asked.append(signum)
    raise Interruption(signum)
