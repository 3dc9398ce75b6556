"""Evaluators given as "module:function", in this process or in one that can be killed."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import IO, Any

from accel_opt.core.config import Config
from accel_opt.core.errors import EvaluationError, InputError, OutOfMemoryError
from accel_opt.core.measurement import Batch, BatchMeasurement, Begin, Evaluate

_START_TIMEOUT_S = 600.0


class HangError(EvaluationError):
    """The evaluator gave no answer in time; its process was killed."""

    reason = "hang"


def resolve(name: str) -> Evaluate:
    """The evaluator that "module:function" names.

    With "module:function#text" the function is a factory: called with the text (of a study's
    definition, say), it returns the evaluator.

    Raises:
        InputError: It is not of that form, or cannot be found.
    """
    path, _, text = name.partition("#")
    found = imported(path)
    evaluate: Evaluate = found(text) if "#" in name else found
    return evaluate


def short_name(name: str) -> str:
    """The name without the text for its factory, for messages."""
    return name.partition("#")[0]


def imported(path: str) -> Any:
    """What "module:function" names.

    Raises:
        InputError: It is not of that form, cannot be found, or cannot be called.
    """
    module, _, function = path.partition(":")
    if not module or not function:
        raise InputError(f'evaluator {path!r} is not of the form "module:function"')
    try:
        found: Any = importlib.import_module(module)
        for part in function.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InputError(f"evaluator {path!r} cannot be imported: {error}") from error
    if not callable(found):
        raise InputError(f"evaluator {path!r} is not callable")
    return found


class ChildEvaluator:
    """Runs "module:function" in a process of its own, which is killed when it hangs.

    The process stays between batches, so that a model is loaded once.

    Args:
        name: "module:function", or "module:factory#text".
        timeout_s: Seconds that one batch may take; None waits for ever.
    """

    def __init__(self, name: str, timeout_s: float | None = None) -> None:
        self._name, self._timeout_s = name, timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._asked = self._heard = 0
        self._goes_ahead = False

    def __call__(self, config: Config, batch: Batch) -> BatchMeasurement:
        """See Evaluate."""
        return self._begin(config, batch)()

    @property
    def begin(self) -> Begin | None:
        """The evaluator's own, see Evaluate; None where it has none. Starts the process.

        Raises:
            InputError: The process cannot start.
        """
        self._running()
        return self._begin if self._goes_ahead else None

    def _begin(self, config: Config, batch: Batch) -> Callable[[], BatchMeasurement]:
        process = self._running()
        self._asked += 1
        number = self._asked
        request = {"number": number, "config": config.to_dict(), "batch": asdict(batch)}
        self._send(process, json.dumps(request))
        return partial(self._answer, process, number)

    def _answer(self, process: subprocess.Popen[str], number: int) -> BatchMeasurement:
        """The answer of that number; earlier ones that nobody waited for are dropped."""
        heard = 0
        while heard != number:
            if self._process is not process:
                raise EvaluationError("the evaluator's process is gone")
            answer = self._receive(self._timeout_s)
            self._heard = heard = answer["number"]
        if "error" in answer:
            kind = OutOfMemoryError if answer["reason"] == "out_of_memory" else EvaluationError
            raise kind(answer["error"])
        del answer["number"]
        return measurement_from(answer)

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _running(self) -> subprocess.Popen[str]:
        process = self._process
        if process is None or (process.poll() is not None and self._asked == self._heard):
            return self._start()
        return process

    def _start(self) -> subprocess.Popen[str]:
        self.close()
        command = [sys.executable, "-m", "accel_opt.search.child", self._name]
        paths = [str(Path.cwd()), *(path for path in sys.path if path)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))},
            start_new_session=True,
        )
        self._process, self._answers = process, queue.Queue()
        self._asked = self._heard = 0
        reader = threading.Thread(target=_pump, args=(process.stdout, self._answers), daemon=True)
        reader.start()
        answer = self._receive(_START_TIMEOUT_S)
        if "error" in answer:
            self.close()
            raise InputError(answer["error"])
        self._goes_ahead = bool(answer["begins"])
        return process

    def _send(self, process: subprocess.Popen[str], line: str) -> None:
        try:
            if process.stdin is not None:
                process.stdin.write(line + "\n")
                process.stdin.flush()
        except OSError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(1.0)
            process.kill()  # had it closed its input and lived on
            status = process.wait()
            self.close()
            raise EvaluationError(f"the evaluator's process died (exit status {status})") from None

    def _receive(self, timeout_s: float | None) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=timeout_s)
        except queue.Empty:
            self.close()
            raise HangError(f"no answer within {timeout_s:g} s; the process was killed") from None
        except BaseException:
            # Ctrl-C in mid-batch: an answer that comes later would be taken for the next one's.
            self.close()
            raise
        if not line:
            process = self._process
            status = process.wait() if process else None
            self.close()
            raise EvaluationError(f"the evaluator's process died (exit status {status})")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextlib.contextmanager
def opened(evaluate: Evaluate | str, timeout_s: float | None, *, fresh: bool) -> Iterator[Evaluate]:
    """An evaluator to call; a child process of its own where asked for and possible.

    Args:
        evaluate: A callable, or "module:function".
        timeout_s: Seconds that a batch may take.
        fresh: Start a fresh process even without a time limit.

    Raises:
        InputError: A time limit is asked of a callable, which cannot be killed.
    """
    if not isinstance(evaluate, str):
        if timeout_s is not None:
            raise InputError(
                'a time limit per trial needs an evaluator given as "module:function": '
                "a callable cannot be killed when it hangs"
            )
        yield evaluate
    elif timeout_s is None and not fresh:
        yield resolve(evaluate)
    else:
        child = ChildEvaluator(evaluate, timeout_s)
        try:
            yield child
        finally:
            child.close()


@contextlib.contextmanager
def at_rest(evaluate: Evaluate | str) -> Iterator[None]:
    """Keeps what this process holds for an evaluator out of the way of another process.

    Where the module of a "module:factory#text" has a function `at_rest`, it is called with the
    text and gives a context in which the device is free.
    """
    module, text = "", ""
    if isinstance(evaluate, str) and "#" in evaluate:
        path, _, text = evaluate.partition("#")
        module = path.partition(":")[0]
    resting = getattr(sys.modules.get(module), "at_rest", None)
    with contextlib.nullcontext() if resting is None else resting(text):
        yield


def measurement_from(answer: dict[str, Any]) -> BatchMeasurement:
    """A measurement from the JSON that the child wrote."""
    for name in ("seconds", "baseline_seconds"):
        answer[name] = tuple(answer[name])
    for name in ("scores", "baseline_scores"):
        answer[name] = {metric: tuple(values) for metric, values in answer[name].items()}
    return BatchMeasurement(**answer)


def _pump(stream: IO[str] | None, answers: queue.Queue[str]) -> None:
    with contextlib.suppress(ValueError, OSError):
        for line in stream or ():
            answers.put(line)
    answers.put("")
