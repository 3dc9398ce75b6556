"""Several workers on one host: started, watched, restarted a few times, drained."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from accel_opt.core.errors import InputError
from accel_opt.core.events import Event, Notice, OnEvent, SearchStarted, TrialFinished
from accel_opt.search.strategies import Ending
from accel_opt.search.workers.lines import read
from accel_opt.search.workers.places import Place
from accel_opt.search.workers.process import PARENT, REFUSED, STORAGE

# A worker that dies this often without a trial in between is not started again.
RESTARTS = 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
# What a drained worker may take to give its setting back.
GRACE_S = 30.0
_TAIL = 400


@dataclass(frozen=True)
class Order:
    """What the workers of a crew are told.

    Attributes:
        storage: URL of a Journal or of PostgreSQL.
        study: Name of the study, which exists.
        out: Folder for sample images and the workers' logs.
        problem: "module:function" that says what is searched; None reads it from the study.
        device: Device of each worker as it sees it; None takes the best there is.
        seconds: Seconds for the search; None leaves that to the study's plan.
        allow_drift: Whether the first worker may set earlier measurements aside.
    """

    storage: str
    study: str
    out: Path
    problem: str | None = None
    device: str | None = None
    seconds: float | None = None
    allow_drift: bool = False


@dataclass
class _Worker:
    number: int
    place: Place
    process: subprocess.Popen[str] | None = None
    deaths: int = 0
    start_at: float = 0.0
    done: bool = False
    ending: Ending | None = None
    refused: str = ""
    log: Path = field(default_factory=Path)


class Crew:
    """Runs one worker at each place until a rule ends the search.

    Args:
        order: What they are told.
        places: Where they run.
        on_event: Told of every trial of every worker.
        restarts: Deaths in a row, without a trial in between, that a place is forgiven.
    """

    def __init__(
        self, order: Order, places: list[Place], on_event: OnEvent, restarts: int = RESTARTS
    ) -> None:
        self._order, self._on_event, self._restarts = order, on_event, restarts
        self._workers = [_Worker(number, place) for number, place in enumerate(places)]
        self._lines: queue.Queue[tuple[_Worker, subprocess.Popen[str], str]] = queue.Queue()
        self._started = time.monotonic()
        self._announced = False

    def run(self) -> Ending:
        """Works until every worker has ended.

        Raises:
            InputError: All of them were refused, or none could be kept alive.
            KeyboardInterrupt: Interrupted; every worker has given its setting back. A second
                one kills them.
        """
        try:
            while not all(worker.done for worker in self._workers):
                self._start_those_due()
                with contextlib.suppress(queue.Empty):
                    self._take(*self._lines.get(timeout=0.1))
        except BaseException:
            self._drain()
            raise
        finally:
            self._kill()
        return self._ending()

    @property
    def pids(self) -> list[int]:
        """Process numbers of the workers that run."""
        return [w.process.pid for w in self._workers if w.process is not None]

    def _start_those_due(self) -> None:
        now = time.monotonic()
        for worker in self._workers:
            # Conditions change once: the others find them changed.
            first = self._order.allow_drift and worker.number and not self._announced
            if worker.process is None and not worker.done and worker.start_at <= now and not first:
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        order = self._order
        command = [sys.executable, "-m", "accel_opt.search.workers.process"]
        command += ["--study", order.study, "--out", str(order.out)]
        if order.problem is not None:
            command += ["--problem", order.problem]
        if order.device is not None:
            command += ["--device", order.device]
        if order.seconds is not None:
            left = order.seconds - (time.monotonic() - self._started)
            command += ["--seconds", f"{max(left, 0.001):.3f}"]
        if order.allow_drift and worker.number == 0:
            command.append("--allow-drift")
        paths = [str(Path.cwd()), *(path for path in sys.path if path)]
        own = {
            STORAGE: order.storage,
            PARENT: str(os.getpid()),
            "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        }
        folder = order.out / "workers"
        folder.mkdir(parents=True, exist_ok=True)
        worker.log = folder / f"worker-{worker.number}.log"
        with worker.log.open("a") as log:
            worker.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                errors="replace",
                env=os.environ | worker.place.environment | own,
                # Ctrl-C in a terminal reaches the coordinator alone, which then drains them.
                start_new_session=True,
            )
        process = worker.process
        threading.Thread(
            target=self._pump, args=(worker, process, process.stdout), daemon=True
        ).start()

    def _pump(
        self, worker: _Worker, process: subprocess.Popen[str], stream: IO[str] | None
    ) -> None:
        with contextlib.suppress(ValueError, OSError):
            for line in stream or ():
                self._lines.put((worker, process, line))
        self._lines.put((worker, process, ""))

    def _take(self, worker: _Worker, process: subprocess.Popen[str], line: str) -> None:
        if not line:
            self._gone(worker, process)
            return
        match read(line):
            case Ending() as ending:
                worker.ending = ending
            case str() as refused:
                worker.refused = refused
            case Event() as event:
                self._show(worker, event)

    def _show(self, worker: _Worker, event: Event) -> None:
        if isinstance(event, TrialFinished):
            worker.deaths = 0
        if isinstance(event, SearchStarted):
            if self._announced:
                return
            self._announced = True
        if isinstance(event, Notice):
            event = Notice(f"worker {worker.number} ({worker.place.name}): {event.text}")
        self._on_event(event)

    def _gone(self, worker: _Worker, process: subprocess.Popen[str]) -> None:
        status = process.wait()
        worker.process = None
        if worker.ending is not None or worker.refused or status == REFUSED:
            worker.done = True
            if worker.ending is None:
                worker.refused = worker.refused or _tail(worker.log)
                self._on_event(Notice(f"worker {worker.number} leaves: {worker.refused}"))
            return
        worker.deaths += 1
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        text = f"worker {worker.number} ({worker.place.name}) died ({how}; {worker.log})"
        if worker.deaths > self._restarts:
            worker.done = True
            self._on_event(Notice(f"{text}, {worker.deaths} times in a row: not started again"))
            return
        pause_s = min(_FIRST_PAUSE_S * 2 ** (worker.deaths - 1), _LONGEST_PAUSE_S)
        worker.start_at = time.monotonic() + pause_s
        self._on_event(Notice(f"{text}; started again"))

    def _drain(self) -> None:
        """Asks every worker to give its setting back and leave; a second interrupt kills them."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_S
        with contextlib.suppress(KeyboardInterrupt):
            for worker in self._workers:
                if worker.process is not None:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        worker.process.wait(max(0.0, deadline - time.monotonic()))

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)
        for worker in self._workers:
            if worker.process is not None:
                worker.process.wait()

    def _signal(self, signum: int) -> None:
        for worker in self._workers:
            if worker.process is not None and worker.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    worker.process.send_signal(signum)

    def _ending(self) -> Ending:
        return conclude(
            [worker.ending for worker in self._workers if worker.ending is not None],
            [worker.refused for worker in self._workers if worker.refused],
            [f"worker {w.number}: {_tail(w.log)}" for w in self._workers],
        )


def conclude(endings: list[Ending], refused: list[str], last_words: list[str]) -> Ending:
    """Why a search by several workers ended.

    Raises:
        InputError: No worker came to an end: all were refused, or died.
    """
    if endings:
        # One whose machine fails everything leaves early; why the others ended says more.
        return next((ending for ending in endings if ending.code != "failures"), endings[0])
    if refused:
        raise InputError(refused[0])
    raise InputError(f"no worker could be kept alive; last words of {'; '.join(last_words)}")


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "none"
    return lines[-1][-_TAIL:] if lines else "none"
