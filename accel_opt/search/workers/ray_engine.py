"""Workers placed by Ray: one a GPU, or one a processor, across a cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accel_opt.core.errors import InputError, MissingPackageError
from accel_opt.core.events import Event, Notice, OnEvent, SearchStarted, TrialFinished
from accel_opt.search.storage import journal_path
from accel_opt.search.strategies import Ending
from accel_opt.search.workers.crew import GRACE_S, RESTARTS, Order, conclude
from accel_opt.search.workers.lines import last_line, line_of, read

_POLL_S = 0.2


@dataclass
class _Place:
    number: int
    ref: Any = None
    deaths: int = 0
    done: bool = False
    ending: Ending | None = None
    refused: str = ""
    died: str = ""


class RayCrew:
    """Runs workers as tasks of a Ray cluster until a rule ends the search.

    Args:
        order: What they are told.
        n: How many; those that find no place wait for one.
        on_event: Told of every trial of every worker.
        address: Address of the cluster; None starts one on this host, "auto" finds it.
        restarts: Deaths in a row, without a trial in between, that a worker is forgiven.
    """

    def __init__(
        self,
        order: Order,
        n: int,
        on_event: OnEvent,
        *,
        address: str | None = None,
        restarts: int = RESTARTS,
    ) -> None:
        self._order, self._on_event, self._address = order, on_event, address
        self._restarts = restarts
        self._places = [_Place(number) for number in range(n)]
        self._announced = False
        self._started = time.monotonic()
        self.threads: int | None = None

    def run(self) -> Ending:
        """Works until every worker has ended; see `Crew.run`."""
        with cluster(self._address) as ray:
            needs = self._needs(ray)
            if journal_path(self._order.storage) is not None:
                _check_one_host(ray)
            from ray.util.queue import Queue

            lines = Queue(actor_options={"num_cpus": 0})
            task = ray.remote(max_retries=0, **needs)(_task)
            try:
                while not all(place.done for place in self._places):
                    self._round(ray, task, lines)
                    self._hear(lines)
            except BaseException:
                self._drain(ray)
                raise
            self._hear(lines)
        return conclude(
            [place.ending for place in self._places if place.ending is not None],
            [place.refused for place in self._places if place.refused],
            [f"worker {place.number}: {place.died}" for place in self._places],
        )

    def _needs(self, ray: Any) -> dict[str, Any]:
        there = ray.cluster_resources()
        kind = "GPU" if there.get("GPU", 0) >= 1 and self._order.device != "cpu" else "CPU"
        if kind == "CPU":
            # Ray gives a task as many threads as processors.
            self.threads = 1
        n, room = len(self._places), int(there.get(kind, 0))
        if n > room:
            text = f"Ray has {room} {kind}s for {n} workers: the others wait for a place"
            self._on_event(Notice(text))
        return {"num_gpus": 1, "num_cpus": 0} if kind == "GPU" else {"num_cpus": 1}

    def _round(self, ray: Any, task: Any, lines: Any) -> None:
        for place in self._places:
            first = self._order.allow_drift and place.number and not self._announced
            if place.ref is None and not place.done and not first:
                place.ref = task.remote(self._told(place), lines, place.number, self.threads)
        refs = [place.ref for place in self._places if place.ref is not None]
        ready, _ = ray.wait(refs, timeout=_POLL_S) if refs else ([], [])
        for ref in ready:
            place = next(place for place in self._places if place.ref == ref)
            place.ref = None
            try:
                said = read(ray.get(ref))
            except ray.exceptions.RayError as error:
                self._hear(lines)
                self._died(place, error)
                continue
            place.done = True
            if isinstance(said, Ending):
                place.ending = said
            else:
                place.refused = str(said)
                self._on_event(Notice(f"worker {place.number} leaves: {said}"))

    def _told(self, place: _Place) -> Order:
        order = replace(self._order, allow_drift=self._order.allow_drift and place.number == 0)
        if order.seconds is None:
            return order
        left = order.seconds - (time.monotonic() - self._started)
        return replace(order, seconds=max(left, 0.001))

    def _died(self, place: _Place, error: Exception) -> None:
        place.deaths += 1
        place.died = " ".join(str(error).split())[:300]
        text = f"worker {place.number} died ({type(error).__name__})"
        if place.deaths > self._restarts:
            place.done = True
            self._on_event(Notice(f"{text}, {place.deaths} times in a row: not started again"))
            return
        self._on_event(Notice(f"{text}; started again"))

    def _hear(self, lines: Any) -> None:
        from ray.util.queue import Empty

        with contextlib.suppress(Empty):
            while True:
                number, line = lines.get_nowait()
                event = read(line)
                if isinstance(event, Event):
                    self._show(self._places[number], event)

    def _show(self, place: _Place, event: Event) -> None:
        if isinstance(event, TrialFinished):
            place.deaths = 0
        if isinstance(event, SearchStarted):
            if self._announced:
                return
            self._announced = True
        if isinstance(event, Notice):
            event = Notice(f"worker {place.number}: {event.text}")
        self._on_event(event)

    def _drain(self, ray: Any) -> None:
        """Has every worker give its setting back; a second interrupt ends them at once."""
        refs = [place.ref for place in self._places if place.ref is not None]
        with contextlib.suppress(KeyboardInterrupt, ray.exceptions.RayError):
            for ref in refs:
                ray.cancel(ref, force=False)
            if refs:
                ray.wait(refs, num_returns=len(refs), timeout=GRACE_S)
            return
        for ref in refs:
            with contextlib.suppress(ray.exceptions.RayError, ValueError):
                ray.cancel(ref, force=True)


@contextmanager
def cluster(address: str | None) -> Iterator[Any]:
    """Ray, connected to a cluster; one that was started here is ended again.

    Raises:
        MissingPackageError: Ray is not installed.
        InputError: There is no cluster at that address.
    """
    try:
        import ray
    except ImportError as error:
        install = "pip install 'accel_opt[ray]'"
        raise MissingPackageError("ray", "--engine ray", install) from error
    if ray.is_initialized():
        yield ray
        return
    # Ray takes SIGTERM for itself; ours, which saves what was told, is put back.
    handlers = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}
    paths = [str(Path.cwd()), *(path for path in sys.path if path)]
    environment = {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
    try:
        ray.init(
            address=address,
            runtime_env={"env_vars": environment},
            log_to_driver=False,
            logging_level="error",
            include_dashboard=None if address else False,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f"no Ray cluster at {address!r}: {str(error).splitlines()[0]}; start one with "
            "'ray start --head', or leave --ray-address out"
        ) from None
    try:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
        yield ray
    finally:
        ray.shutdown()


def _check_one_host(ray: Any) -> None:
    hosts = {node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
    if hosts - {socket.gethostname()}:
        raise InputError(
            f"a Journal is for one host, and this cluster has {', '.join(sorted(hosts))}; give "
            "--storage postgresql://user@host/database"
        )


def _task(order: Order, lines: Any, number: int, threads: int | None) -> str:
    """What a worker does in the cluster; the answer is its last line."""
    from accel_opt.search.workers.joining import join
    from accel_opt.search.workers.problem import THREADS, named, of_study

    if threads is not None:
        os.environ[THREADS] = str(threads)
    tell = _teller(lines, number)
    try:
        problem = (
            named(order.problem)
            if order.problem
            else of_study(order.storage, order.study, device=order.device, out=order.out)
        )
        ending = join(
            problem,
            order.storage,
            order.study,
            seconds=order.seconds,
            allow_drift=order.allow_drift,
            on_event=tell,
        )
    except InputError as error:
        return last_line(None, str(error))
    return last_line(ending)


def _teller(lines: Any, number: int) -> Callable[[Event], None]:
    def tell(event: Event) -> None:
        line = line_of(event)
        if line is not None:
            lines.put_nowait((number, line))

    return tell
