"""The searches of a grid spread over the devices of a host, or over a cluster by Ray."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accel_opt.core.errors import InputError
from accel_opt.core.spec import StudySpec
from accel_opt.facade.cell import Answer, task
from accel_opt.search.workers.crew import GRACE_S, RESTARTS
from accel_opt.search.workers.places import Place, places

_POLL_S = 0.2
Job = tuple[int, StudySpec]


@dataclass(frozen=True)
class Spread:
    """How many searches of a grid run at once, and who places them.

    Attributes:
        workers: How many.
        engine: "local" or "ray".
        ray_address: Address of a Ray cluster; None starts one here.
    """

    workers: int = 1
    engine: str = "local"
    ray_address: str | None = None

    @property
    def alone(self) -> bool:
        """Whether one after the other runs in this process."""
        return self.workers == 1 and self.engine == "local"


def spread(
    specs: list[StudySpec], how: Spread, on_start: Callable[[int], None]
) -> Iterator[tuple[int, Answer]]:
    """Runs searches at once; gives each one's place in the list and its answer, as they end.

    Args:
        specs: The searches; each has a folder of its own, which is absolute.
        how: How many at once, and where.
        on_start: Told the place of each search that begins.

    Raises:
        InputError: There are too few devices, or no such engine.
        KeyboardInterrupt: Interrupted; what was told is saved.
    """
    if how.engine == "ray":
        yield from _by_ray(specs, how, on_start)
    elif how.engine == "local":
        devices = {spec.device for spec in specs}
        device = devices.pop() if len(devices) == 1 else None
        yield from _here(specs, places(how.workers, device), on_start)
    else:
        raise InputError(f"engine {how.engine!r}: choose local or ray")


def _here(
    specs: list[StudySpec], found: list[Place], on_start: Callable[[int], None]
) -> Iterator[tuple[int, Answer]]:
    free, running = list(found), 0
    left, done = list(enumerate(specs)), queue.Queue[tuple[int, Place, Answer]]()
    processes: dict[int, subprocess.Popen[str]] = {}
    try:
        while left or running:
            while left and free:
                number, spec = left.pop(0)
                place = free.pop(0)
                on_start(number)
                process = processes[number] = _begin(spec, place)
                arguments = (process, spec, number, place, done)
                threading.Thread(target=_wait, args=arguments, daemon=True).start()
                running += 1
            with contextlib.suppress(queue.Empty):
                number, place, answer = done.get(timeout=_POLL_S)
                running -= 1
                free.append(place)
                del processes[number]
                yield number, answer
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            try:
                process.wait(GRACE_S)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                process.kill()


def _begin(spec: StudySpec, place: Place) -> subprocess.Popen[str]:
    paths = [str(Path.cwd()), *(path for path in sys.path if path)]
    own = {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
    folder = Path(spec.out or ".")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "search.log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "accel_opt.facade.cell"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | place.environment | own,
            # Ctrl-C reaches this process alone, which then ends the others in good order.
            start_new_session=True,
        )


def _wait(
    process: subprocess.Popen[str],
    spec: StudySpec,
    number: int,
    place: Place,
    done: queue.Queue[tuple[int, Place, Answer]],
) -> None:
    # What was left to the model's defaults is left to them there too.
    said, _ = process.communicate(spec.model_dump_json(exclude_unset=True))
    try:
        answer = Answer.from_text(said)
    except (ValueError, KeyError):
        log = Path(spec.out or ".") / "search.log"
        answer = Answer(error=f"its process died (exit status {process.returncode}; {log})")
    done.put((number, place, answer))


def _by_ray(
    specs: list[StudySpec], how: Spread, on_start: Callable[[int], None]
) -> Iterator[tuple[int, Answer]]:
    from accel_opt.search.workers.ray_engine import cluster

    with cluster(how.ray_address) as ray:
        gpus = ray.cluster_resources().get("GPU", 0) >= 1
        needs = {"num_gpus": 1, "num_cpus": 0} if gpus else {"num_cpus": 1}
        remote = ray.remote(max_retries=0, **needs)(task)
        left = [(number, spec, 0) for number, spec in enumerate(specs)]
        running: dict[Any, tuple[int, StudySpec, int]] = {}
        try:
            while left or running:
                while left and len(running) < how.workers:
                    number, spec, deaths = left.pop(0)
                    if not deaths:
                        on_start(number)
                    running[remote.remote(spec.model_dump_json(exclude_unset=True))] = (
                        number,
                        spec,
                        deaths,
                    )
                ready, _ = ray.wait(list(running), timeout=_POLL_S)
                for ref in ready:
                    number, spec, deaths = running.pop(ref)
                    try:
                        yield number, Answer.from_text(ray.get(ref))
                    except ray.exceptions.RayError as error:
                        if deaths < RESTARTS:
                            left.insert(0, (number, spec, deaths + 1))
                            continue
                        text = " ".join(str(error).split())[:300]
                        yield number, Answer(error=f"its worker died: {text}")
        finally:
            for ref in running:
                with contextlib.suppress(ray.exceptions.RayError):
                    ray.cancel(ref, force=False)
            if running:
                with contextlib.suppress(ray.exceptions.RayError, KeyboardInterrupt):
                    ray.wait(list(running), num_returns=len(running), timeout=GRACE_S)
