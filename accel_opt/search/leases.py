"""Who evaluates a trial, and whether that process is dead or only slow.

A lease names a process. On the same machine the kernel knows whether it lives. Of processes
elsewhere a beat tells: a number in the study that each of them counts up. Nobody's clock is
compared with anybody's: a process is dead when its number has not changed for a while on the
watcher's own steady clock, so that clocks which differ, or are set back, deceive nobody.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    import optuna

LEASE = "lease"
BEAT = "accel_opt:beat:"
BEAT_S = 10.0
# Six beats: a machine that swaps, or a server that restarts, is not taken for dead.
LOST_AFTER_S = 60.0

# Trials that this process evaluates now: other threads of it may search the same study.
BUSY: set[tuple[str, int]] = set()

State = Literal["mine", "alive", "dead", "unknown"]


@dataclass(frozen=True)
class Owner:
    """A process.

    Attributes:
        host: Name of its machine, for people.
        pid: Its number there.
        started: When it started, as pids are used again.
        place: Boot and process name space, in which alone the number means anything.
    """

    host: str
    pid: int
    started: str
    place: str

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.started}@{self.place}"

    @classmethod
    def from_text(cls, text: str) -> Owner | None:
        """The owner that a lease names; None when it names none."""
        host, _, rest = text.partition(":")
        pid, _, rest = rest.partition(":")
        started, _, place = rest.partition("@")
        return cls(host, int(pid), started, place) if pid.isdigit() else None

    def state(self) -> State:
        """What this machine knows of it."""
        here = me()
        if self == here:
            return "mine"
        if self.host != here.host or (self.place and self.place != here.place):
            return "unknown"
        return "alive" if self.started and _started(self.pid) == self.started else "dead"


def me() -> Owner:
    """This process."""
    return _owner(os.getpid())


@lru_cache(maxsize=2)
def _owner(pid: int) -> Owner:
    return Owner(socket.gethostname().replace(":", "-"), pid, _started(pid), _place())


class Leases:
    """Beats for this process, and judges those of others.

    Args:
        study: Where the beats are written.
        beat_s: Seconds between two beats.
        lost_after_s: Seconds without a beat after which a process elsewhere is dead.
        clock: Steady seconds.
    """

    def __init__(
        self,
        study: optuna.Study,
        beat_s: float = BEAT_S,
        lost_after_s: float = LOST_AFTER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._study, self._clock = study, clock
        self._beat_s, self._lost_after_s = beat_s, lost_after_s
        self._seen: dict[str, tuple[Any, float]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begins to beat."""
        self._thread = threading.Thread(target=self._beat, name="accel_opt beats", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ends it."""
        self._stop.set()

    def _beat(self) -> None:
        count = 0
        while not self._stop.is_set():
            count += 1
            # A beat that cannot be written is a beat missed; the search says what is wrong.
            with suppress(Exception):
                self._study.set_user_attr(f"{BEAT}{me()}", count)
            self._stop.wait(self._beat_s)

    def states(self, leases: set[str]) -> Mapping[str, State]:
        """State of each lease; "dead" is certain, "alive" and "unknown" may still become it."""
        found: dict[str, State] = {}
        beats: dict[str, Any] | None = None
        for text in leases:
            owner = Owner.from_text(text)
            found[text] = owner.state() if owner else "dead"
            if found[text] == "unknown":
                beats = self._study.user_attrs if beats is None else beats
                found[text] = self._elsewhere(text, beats.get(f"{BEAT}{text}"))
        return found

    def _elsewhere(self, lease: str, count: Any) -> State:
        now = self._clock()
        known, since = self._seen.get(lease, (None, now))
        if lease not in self._seen or known != count:
            self._seen[lease] = (count, now)
            return "unknown"
        return "dead" if now - since > self._lost_after_s else "unknown"


def _started(pid: int) -> str:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    # A zombie is dead; it only waits for its parent to hear of it.
    return "" if fields[0] in ("Z", "X") else fields[19]


@lru_cache(maxsize=1)
def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return ""
    return f"{boot[:8]}.{space}"
