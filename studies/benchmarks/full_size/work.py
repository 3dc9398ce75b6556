"""What is measured in which order: the bars first, then everything else, while there is time."""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from accel_opt.accelerators import stack
from accel_opt.core.memory import free
from accel_opt.pipelines.load import load_pipeline

import cases  # isort: skip
from count_rows import compared, flop_rows, known_rows, package_rows, row_of  # isort: skip
from counted import meta_pipeline  # isort: skip
from kept import Kept  # isort: skip
from timed_rows import PLAIN, Unit, failed, settings  # isort: skip

TIMED = ("bars", "presets", "combinations")
COUNTED = ("ratios", "packages")
# The models whose speed has a bar come first.
_ORDER = (*cases.FASTEST_AT_50, *(m for m in cases.MODELS if m not in cases.FASTEST_AT_50))
# What loading a model may take; nothing is loaded when there is not even time for that.
_LOADING_S = 20.0


class Budget:
    """A limit of time.

    Args:
        minutes: From now on; None is without end.
    """

    def __init__(self, minutes: float | None) -> None:
        self._end = None if minutes is None else time.monotonic() + 60 * minutes

    def has(self, seconds: float = 0.0) -> bool:
        """Whether so much time is left."""
        return self._end is None or time.monotonic() + seconds < self._end


@dataclass(frozen=True)
class Piece:
    """Something to do with one model; a batch of 0 is counted, others are timed."""

    model: str
    only: tuple[str, ...]
    batch: int = 0
    steps: int = 0

    def __str__(self) -> str:
        parts = [self.model, *([f"batch {self.batch}"] if self.batch else [])]
        parts += [f"{self.steps} steps"] if self.steps else []
        return f"{', '.join(parts)}: {', '.join(self.only)}"


def pieces(options: argparse.Namespace, *, timed: bool) -> Iterator[Piece]:
    """All pieces of work, the most valuable first.

    On a GPU: the bars of every model with the first batch size and most steps; the bars
    elsewhere; the other settings. Then what can be counted anywhere.
    """
    models = [model for model in _ORDER if model in options.models]
    asked = tuple(kind for kind in TIMED if kind in options.only)
    places = [(batch, steps) for batch in options.batches for steps in options.steps]
    if timed and asked:
        rounds = [("bars",)] if "bars" in asked else []
        rounds += [asked] if asked != ("bars",) else []
        for only in rounds:
            groups = [places[:1], places[1:]] if only == ("bars",) else [places]
            for group in groups:
                for model in models:
                    yield from (Piece(model, only, *place) for place in group)
    if "ratios" in options.only:
        yield from (Piece(model, ("ratios",)) for model in models)
    if "packages" in options.only:
        for steps in sorted(options.steps):
            yield from (Piece(model, ("packages",), steps=steps) for model in models)


class Work:
    """Does the pieces that are not done yet.

    Args:
        options: What was asked for.
        kept: Where rows go.
        budget: How long.
        device: Where settings are timed; "meta" counts only.
        load: Makes a model's pipeline on the device.
        more: Further arguments of every timed call.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        kept: Kept,
        budget: Budget,
        device: str,
        *,
        load: Callable[[str], Any] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        self._options, self._kept, self._budget, self._device = options, kept, budget, device
        self._load, self._more = load or self._random, more or {}
        self._own_load = load is not None
        self._shapes: dict[str, Any] = {}
        self._name, self._pipe = "", None

    def done(self) -> list[str]:
        """Does what there is time for.

        Returns:
            What is left.
        """
        left: dict[str, None] = {}
        for piece in pieces(self._options, timed=self._device != "meta"):
            complete = self._budget.has() and (
                self._timed(piece) if piece.batch else self._counted(piece)
            )
            if not complete:
                left[str(piece)] = None
        self._let_go()
        return list(left)

    def _timed(self, piece: Piece) -> bool:
        here = (piece.model, piece.steps, piece.batch)
        missing = [
            config
            for config in settings(piece.model, self._shape(piece.model), piece.steps, piece.only)
            if not self._kept.has("timed", (*here, str(config)))
        ]
        before = self._kept.get("timed", (*here, PLAIN)) or {}
        known = self._kept.has("timed", (*here, PLAIN))
        if not missing or (known and "failed" in before):
            return True
        loading = 0.0 if self._name == f"{piece.model} timed" else _LOADING_S
        if not self._budget.has(loading + Unit.seconds_to_warm_up(self._expected_s(piece))):
            return False
        try:
            pipe = self._pipeline(f"{piece.model} timed", lambda: self._load(piece.model))
        except Exception as error:  # noqa: BLE001 - one model's failure must not end the others'
            plain = row_of(piece.model, piece.steps, PLAIN) | {"batch": piece.batch}
            self._put("timed", plain | failed(error))
            return True
        unit = Unit(piece.model, pipe, piece.batch, piece.steps, **self._more)
        plain = unit.warm_up()
        self._put("timed", plain)
        if "failed" in plain:
            return True
        for config in missing:
            if not self._budget.has(unit.seconds_for(config)):
                return False
            self._put("timed", unit.row(config))
        return True

    def _shape(self, model: str) -> Any:
        """A pipeline that tells which settings fit, and costs nothing where it may be on `meta`."""
        if self._own_load:
            return self._pipeline(f"{model} timed", lambda: self._load(model))
        if model not in self._shapes:
            self._shapes[model] = meta_pipeline(model)
        return self._shapes[model]

    def _expected_s(self, piece: Piece) -> float:
        """Seconds of a plain call, from those of the same model; 0 when there were none."""
        known = [
            row["plain_s"] * max(row["batch"], piece.batch) * piece.steps / row["steps"]
            for row in self._kept.rows("timed")
            if (row["model"], row["setting"]) == (piece.model, PLAIN) and "plain_s" in row
        ]
        return max(known, default=0.0)

    def _counted(self, piece: Piece) -> bool:
        pipe = self._pipeline(f"{piece.model} meta", lambda: meta_pipeline(piece.model))
        if piece.only == ("ratios",):
            self._kept.replace("flops", piece.model, flop_rows(piece.model, pipe))
            self._kept.replace("known", piece.model, known_rows(piece.model, pipe))
            return True
        run = stack.run_info(pipe, piece.steps, cases.GUIDANCE)
        missing = [
            config
            for config in compared(piece.model, pipe, run)
            if not self._kept.has("packages", (piece.model, piece.steps, None, str(config)))
        ]
        if not missing:
            return True
        for done, row in enumerate(package_rows(piece.model, pipe, piece.steps, missing), 1):
            self._put("packages", row)
            if done < len(missing) and not self._budget.has():
                return False
        return True

    def _pipeline(self, name: str, make: Callable[[], Any]) -> Any:
        """One at a time: the earlier one is let go before the next is made."""
        if name != self._name:
            self._let_go()
            self._name, self._pipe = name, make()
        return self._pipe

    def _let_go(self) -> None:
        self._name, self._pipe = "", None
        gc.collect()
        if self._device.startswith("cuda"):
            free(self._device)

    def _random(self, model: str) -> Any:
        return load_pipeline(
            model,
            scheduler=cases.SCHEDULER,
            weights="random",
            device=self._device,
            dtype=cases.DTYPE,
        )

    def _put(self, part: str, row: dict[str, Any]) -> None:
        self._kept.put(part, row)
        print(json.dumps(row, ensure_ascii=False), file=sys.stderr, flush=True)
