"""Clocks around what a trial is made of, and image checks that let noise pass."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from accel_opt.core.errors import BadImagesError
from accel_opt.measure import generation, runner
from accel_opt.measure.duplicates import EarlierPictures
from accel_opt.measure.images import to_uint8
from accel_opt.measure.plain import PlainImages

# Of the time of a search, at most so much may be spent beside the pipeline's own calls.
BAR = 0.05


class Clock:
    """Seconds spent inside a function, and how often and when it was first called.

    Attributes:
        seconds: In the thread that the clock was made in.
        beside: In other threads, while that one does something else.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._home = threading.get_ident()
        self.restart()

    def restart(self) -> None:
        """Forgets what was."""
        self.seconds, self.beside, self.calls, self.first = 0.0, 0.0, 0, 0.0

    def __call__(self, *args: Any, **options: Any) -> Any:
        start = time.perf_counter()
        self.first = self.first or start
        try:
            return self.function(*args, **options)
        finally:
            took = time.perf_counter() - start
            if threading.get_ident() == self._home:
                self.seconds += took
            else:
                self.beside += took
            self.calls += 1


@dataclass(frozen=True)
class Clocks:
    """Attributes: calls of the pipeline; scoring; checks of its images."""

    calls: Clock
    scoring: Clock
    checks: tuple[Clock, ...]

    def restart(self) -> None:
        """Forgets what was, as after a warm-up."""
        for clock in (self.calls, self.scoring, *self.checks):
            clock.restart()


def shares(clocks: Clocks, wall: float, batch_size: int) -> dict[str, Any]:
    """Seconds an image by what they were spent on."""
    images = clocks.calls.calls * batch_size
    calls_s, scoring_s = clocks.calls.seconds, clocks.scoring.seconds
    return {
        "images": images,
        "call_s_per_image": calls_s / images,
        "scoring_s_per_image": scoring_s / images,
        "scoring_beside_calls_s_per_image": clocks.scoring.beside / images,
        "checks_s_per_image": sum(clock.seconds for clock in clocks.checks) / images,
        "engine_s_per_image": (wall - calls_s - scoring_s) / images,
        "share_outside_calls": 1 - calls_s / wall,
        "call_s_per_image_for_the_bar": (wall - calls_s) / images * (1 - BAR) / BAR,
    }


@contextmanager
def clocked(*, noise: bool = False) -> Iterator[Clocks]:
    """Clocks where things happen.

    Args:
        noise: Whether images may be bad, as random weights' are: they are checked all the same.
    """
    forgive: Callable[..., Any] = _forgiving if noise else _as_it_is
    check = Clock(forgive(generation.check, _nothing))
    plain = Clock(forgive(PlainImages.checked, _as_pixels))
    earlier = Clock(forgive(EarlierPictures.check, _nothing))
    clocks = Clocks(Clock(generation.timed), Clock(runner.scored), (check, plain, earlier))
    with (
        mock.patch.object(generation, "timed", clocks.calls),
        mock.patch.object(runner, "scored", clocks.scoring),
        mock.patch.object(generation, "check", check),
        mock.patch.object(PlainImages, "checked", _method(plain)),
        mock.patch.object(EarlierPictures, "check", _method(earlier)),
        mock.patch.object(generation, "to_uint8", forgive(to_uint8, _without_nan)),
    ):
        yield clocks


def _method(clock: Clock) -> Callable[..., Any]:
    """Only a function is bound to the object whose method it is."""

    def method(*args: Any, **options: Any) -> Any:
        return clock(*args, **options)

    return method


def _as_it_is(function: Callable[..., Any], _: Any) -> Callable[..., Any]:
    return function


def _forgiving(function: Callable[..., Any], instead: Callable[..., Any]) -> Callable[..., Any]:
    def forgiving(*args: Any, **options: Any) -> Any:
        try:
            return function(*args, **options)
        except BadImagesError:
            return instead(*args, **options)

    return forgiving


def _nothing(*_: Any, **__: Any) -> None:
    return None


def _as_pixels(_: Any, raw: Any, *__: Any, **___: Any) -> Any:
    return _without_nan(raw), ()


def _without_nan(raw: Any) -> Any:
    import numpy as np

    return to_uint8(np.nan_to_num(raw))
