"""Judges every program of two files; each result is written as soon as it is known."""

from __future__ import annotations

import datetime as dt
import queue
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from accel_opt.core.errors import InputError
from accel_opt.core.events import Notice, OnEvent, ignore
from accel_opt.core.provenance import machine, versions
from accel_opt.judge.bench import Bench
from accel_opt.judge.claim import Claim
from accel_opt.judge.events import JudgingStarted, TaskFinished, TaskStage, TaskStarted
from accel_opt.judge.measuring import Measured
from accel_opt.judge.model import Conditions, Outcome, Task
from accel_opt.judge.one import Judge
from accel_opt.judge.pairs import read_pairs
from accel_opt.judge.places import devices_for, policy_for
from accel_opt.judge.results import ResultsFile, document, fingerprint
from accel_opt.judge.samples import keep
from accel_opt.judge.sandbox import choose_level

_PACKAGES = ("accel_opt", "torch", "diffusers", "transformers", "DeepCache", "tomesd", "tgate")
_UNSANDBOXED = (
    "nothing isolates the programs: they can read and send your files, and their results can be "
    "forged"
)


def judge_programs(
    annotations: Path,
    generations: Path,
    out: Path,
    conditions: Conditions | None = None,
    *,
    programs: Path | None = None,
    max_score_loss: float | None = None,
    anew: bool = False,
    on_event: OnEvent = ignore,
) -> list[dict[str, Any]]:
    """Judges the program of every annotation; what has a result already is left alone.

    Args:
        annotations: Ground truth.
        generations: Generated programs.
        out: evaluation_results.json; images of each task go into `images/` beside it.
        conditions: How.
        programs: Folder of the generated programs; that of `generations` by default.
        max_score_loss: Loss allowed; None takes what each text says, else 0.02.
        anew: Whether results that are there are made again.
        on_event: Told what happens, from any thread.

    Returns:
        The results, as in the file, in the order of the annotations.

    Raises:
        InputError: The files or conditions make no sense, or another run writes to `out`.
        SandboxUnavailableError: No sandbox works here that is allowed.
    """
    conditions = placed(conditions)
    tasks, extra = read_pairs(annotations, generations, programs, max_score_loss)
    level = choose_level(policy_for(conditions, conditions.devices[0], conditions.timeout_s))
    conditions = replace(conditions, level=level)
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{out}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(f"another run writes to {out}; wait for it, or give another --out") from (
            None
        )
    try:
        prints = {task.prompt_id: fingerprint(task, conditions) for task in tasks}
        file = ResultsFile(out, tasks, prints, anew=anew)
        waiting = [task for task in tasks if task.prompt_id not in file.done]
        warning = "" if level.isolates else _UNSANDBOXED
        on_event(JudgingStarted(len(tasks), len(waiting), level.value, warning))
        for text in extra:
            on_event(Notice(text))
        _Run(conditions, file, prints, len(tasks), out.parent, on_event).work(waiting)
        return file.listed()
    finally:
        lock.release()


def describe_program(path: Path, conditions: Conditions | None = None) -> Claim:
    """What one program is: its config after a short run of it, nothing measured.

    Raises:
        ProgramError: It has no pipeline, or fails.
        SandboxUnavailableError: No sandbox works here that is allowed.
    """
    conditions = placed(conditions)
    return Judge(Bench(conditions, conditions.devices[0])).describe(path)


def placed(conditions: Conditions | None) -> Conditions:
    """The conditions with their devices named."""
    conditions = conditions or Conditions()
    if conditions.devices == ("",):
        return replace(conditions, devices=devices_for(1, None))
    return conditions


@dataclass
class _Run:
    conditions: Conditions
    file: ResultsFile
    prints: dict[str, str]
    total: int
    folder: Path
    on_event: OnEvent
    stopping: threading.Event = field(default_factory=threading.Event)

    def work(self, tasks: Sequence[Task]) -> None:
        """Judges tasks, one worker on each device."""
        waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
        for task in tasks:
            waiting.put(task)
        devices = self.conditions.devices
        with ExitStack() as stack:
            benches = [Bench(self.conditions, device) for device in devices]
            for bench in benches:
                stack.callback(bench.free)
            if len(benches) == 1:
                self._serve(benches[0], waiting)
                return
            self._serve_all(benches, waiting)

    def _serve_all(self, benches: Sequence[Bench], waiting: queue.SimpleQueue[Task]) -> None:
        failures: list[BaseException] = []

        def serve(bench: Bench) -> None:
            try:
                self._serve(bench, waiting)
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                failures.append(error)
                self.stopping.set()

        threads = [threading.Thread(target=serve, args=(bench,)) for bench in benches]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                # With a limit, as a join without one holds signals back.
                while thread.is_alive():
                    thread.join(0.2)
        except BaseException:
            self.stopping.set()
            for bench in benches:
                bench.end_all()
            raise
        finally:
            for thread in threads:
                thread.join()
        if failures:
            raise failures[0]

    def _serve(self, bench: Bench, waiting: queue.SimpleQueue[Task]) -> None:
        judge = Judge(bench, self._keep)
        while not self.stopping.is_set():
            try:
                task = waiting.get_nowait()
            except queue.Empty:
                return
            self.on_event(TaskStarted(task))
            outcome = judge.judge(task, partial(self._stage, task))
            if self.stopping.is_set():
                return  # ended with the run, which says nothing of the program
            outcome.about.update(self._about(task, bench))
            self.file.add(task.prompt_id, document(task, outcome))
            self._told(task, outcome)

    def _stage(self, task: Task, stage: str, done: int, of: int) -> None:
        self.on_event(TaskStage(task, stage, done, of))

    def _told(self, task: Task, outcome: Outcome) -> None:
        done, passed = len(self.file.done), self.file.passed
        self.on_event(TaskFinished(task, outcome, done, passed, self.total))

    def _keep(self, task: Task, found: Measured) -> None:
        if found.first is not None and self.conditions.samples:
            keep(self.folder, task.prompt_id, found.first, self.conditions.samples)

    def _about(self, task: Task, bench: Bench) -> dict[str, Any]:
        conditions = asdict(self.conditions)
        names = ("prompts", "batch_size", "prompts_from", "timeout_s", "memory_mib")
        return {
            "fingerprint": self.prints[task.prompt_id],
            "judged_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            "machine": machine(bench.device or "cpu"),
            "versions": versions(_PACKAGES),
            "conditions": {name: conditions[name] for name in names},
        }
