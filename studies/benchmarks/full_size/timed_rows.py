"""Rows that are timed: settings beside the plain pipeline, and packages beside our plugins."""

from collections.abc import Callable
from typing import Any

from accel_opt.accelerators import stack
from accel_opt.core.config import Config
from accel_opt.core.memory import free, is_out_of_memory, peak_mib, reset_peak
from accel_opt.measure.warming import MOST_CALLS, until_stable

import cases  # isort: skip
from by_hand import by_hand, can  # isort: skip
from count_rows import row_of  # isort: skip
from timed_runs import once, pairs_for, ratio  # isort: skip

PLAIN = "plain"
# Calls with few steps tell what a call takes outside the denoiser.
_FEW = 2


class Unit:
    """One model, batch size and number of steps on a device.

    Args:
        model: Its name in `cases`.
        pipe: Its pipeline.
        batch: Texts of a call.
        steps: Steps of a call.
        **more: Further arguments of every call.
    """

    def __init__(self, model: str, pipe: Any, batch: int, steps: int, **more: Any) -> None:
        self.model, self.pipe, self.batch, self.steps = model, pipe, batch, steps
        self._more = more
        self._run = stack.run_info(pipe, steps, cases.GUIDANCE)
        self.plain_s = 0.0

    def warm_up(self) -> dict[str, Any]:
        """Calls the plain pipeline until it is stable; a row of it."""

        def measure() -> dict[str, Any]:
            self.plain_s = until_stable(self._plain)
            reset_peak(self._device)
            self._plain()
            peak = peak_mib(self._device)
            # A first call with so few steps has new shapes only in the scheduler.
            few = min(once(self.pipe, self.pipe, _FEW, self.batch, **self._more) for _ in range(2))
            each = (self.plain_s - few) / max(1, self.steps - _FEW)
            return {
                "plain_s": self.plain_s / self.batch,
                "fixed_s": max(0.0, few - _FEW * each) / self.batch,
                **({} if peak is None else {"peak_mib": round(peak)}),
            }

        return self._tried(PLAIN, measure)

    def row(self, config: Config) -> dict[str, Any]:
        """Seconds of a setting beside the plain pipeline, and beside the package by hand."""

        def ours() -> float:
            with stack.applied(self.pipe, config) as call:
                return once(call, self.pipe, self.steps, self.batch, **self._more)

        def theirs() -> float:
            with by_hand(self.pipe, config) as call:
                return once(call, self.pipe, self.steps, self.batch, **self._more)

        def measure() -> dict[str, Any]:
            pairs = pairs_for(self.plain_s)
            reset_peak(self._device)
            ours()  # the first call of a setting is not timed
            peak = peak_mib(self._device)
            found = ratio(self._plain, ours, pairs)
            row: dict[str, Any] = {"speedup": round(found.value, 3), "error": round(found.error, 4)}
            if cases.BY_NUMBERS.isdisjoint(config):
                flops = 1 / stack.relative_work(config, self._run, self.pipe)
                row["flops"] = round(flops, 3)
            row |= {"plain_s": found.one_s / self.batch, "fast_s": found.other_s / self.batch}
            row |= {} if peak is None else {"peak_mib": round(peak)}
            if can(config, self.pipe):
                theirs()
                against = ratio(theirs, ours, pairs)
                row |= {"of_package": round(against.value, 3)}
                row |= {"of_package_error": round(against.error, 4)}
                row["ok"] = against.value >= cases.OF_THE_PACKAGE
            return row

        return self._tried(str(config), measure)

    def seconds_for(self, config: Config) -> float:
        """What a row takes at most, by the plain pipeline's seconds."""
        sides = 2 if can(config, self.pipe) else 1
        return self.plain_s * sides * (1 + 2 * pairs_for(self.plain_s))

    @staticmethod
    def seconds_to_warm_up(plain_s: float) -> float:
        """What `warm_up` takes at most."""
        return plain_s * (MOST_CALLS + 2)

    @property
    def _device(self) -> str:
        return str(self.pipe.device)

    def _plain(self) -> float:
        return once(self.pipe, self.pipe, self.steps, self.batch, **self._more)

    def _tried(self, setting: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The row, or one that says what went wrong."""
        row = row_of(self.model, self.steps, setting) | {"batch": self.batch}
        try:
            return row | measure()
        except Exception as error:  # noqa: BLE001 - one setting's failure must not end the others'
            row |= failed(error)
        # The except block is left first: its traceback would keep the tensors alive.
        free(self._device)
        return row


def failed(error: Exception) -> dict[str, Any]:
    """What a row says of a failure; a lack of memory misses no bar."""
    if is_out_of_memory(error):
        return {"failed": "out of memory"}
    said = str(error).partition("\n")[0]
    return {"failed": f"{type(error).__name__}: {said}", "ok": False}


def settings(model: str, pipe: Any, steps: int, only: tuple[str, ...]) -> list[Config]:
    """Settings of the kinds asked for: "bars", "presets", "combinations"."""
    run = stack.run_info(pipe, steps, cases.GUIDANCE)
    every = cases.settings(model, pipe, run)
    alone: dict[str, Config] = {}
    for config in every:
        if can(config, pipe):
            alone.setdefault(config.accelerators[0], config)
    kinds = {
        "bars": [*alone.values(), *cases.fastest(model, pipe, run)],
        "presets": [c for c in every if len(c) == 1],
        "combinations": [c for c in every if len(c) > 1],
    }
    return list(dict.fromkeys(config for kind in only for config in kinds[kind]))
