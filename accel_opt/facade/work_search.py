"""Searching models with random weights: for counted FLOPs, and for seconds; never for quality.

Without quality nothing holds a search back from the harshest settings, so this is a ranking: what
each setting of a space could give at most. It is kept as one JSON file, not as a study, and nothing
of it is exported: `search_params.json` holds settings whose loss was measured.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from accel_opt.accelerators import stack
from accel_opt.core.config import Config
from accel_opt.core.errors import InputError
from accel_opt.core.events import Notice, OnEvent, ignore
from accel_opt.core.files import write_atomically
from accel_opt.core.provenance import machine, versions
from accel_opt.core.spec import StudySpec, make_spec
from accel_opt.measure.calls import CallOptions
from accel_opt.measure.timing import timed
from accel_opt.search.pipeline_problem import PipelineProblem
from accel_opt.search.space import Setting, Space

REFUSED = "the weights are random: their images mean nothing, so quality is not measured"
FILE = "work.json"
# Spaces up to this size are counted whole, larger ones descended from several ends.
_WHOLE = 4000
_TIMED = 10


@dataclass(frozen=True)
class Ranked:
    """One setting without its quality.

    Attributes:
        config: The setting.
        flops_ratio: FLOPs of the plain denoiser over those of the accelerated one.
        speedup: Seconds of the plain pipeline over those of the accelerated one, when timed.
        latency_s: Seconds per prompt, when timed.
    """

    config: Config
    flops_ratio: float
    speedup: float | None = None
    latency_s: float | None = None


@dataclass(frozen=True)
class WorkResult:
    """What a search without quality came to.

    Attributes:
        spec: The resolved spec.
        settings: The ranking, fastest first; timed ones before the others.
        counted: Distinct settings whose FLOPs were counted.
        whole: Whether these are all settings of the space.
        conditions: What the numbers depend on.
        path: The file that holds all this.
        quality: Why there is none.
    """

    spec: StudySpec
    settings: tuple[Ranked, ...]
    counted: int
    whole: bool
    conditions: dict[str, Any]
    path: Path
    quality: str = REFUSED

    @property
    def best(self) -> Ranked | None:
        """The fastest setting; whether it is any good nobody has looked at."""
        return self.settings[0] if self.settings else None

    def to_dict(self) -> dict[str, Any]:
        """The document that is kept."""
        rows = [{**vars(ranked), "config": ranked.config.to_dict()} for ranked in self.settings]
        return {
            "quality": self.quality,
            "objective": self.spec.objective,
            "conditions": self.conditions,
            "counted": self.counted,
            "whole": self.whole,
            "settings": rows,
        }


def search_work(*, on_event: OnEvent = ignore, **options: Any) -> WorkResult:
    """Ranks the settings of a model with random weights by FLOPs or seconds, never by quality.

    Args:
        on_event: Told of what happens.
        **options: Fields of `StudySpec`; `weights` is "random" here.

    Returns:
        The ranking; `best` is the fastest, whose quality nobody has looked at.

    Raises:
        InputError: An option is wrong, or asks for what only a search under quality has.
    """
    return rank(make_spec(**{"weights": "random", "objective": "flops"} | options), on_event)


def rank(spec: StudySpec, on_event: OnEvent = ignore) -> WorkResult:
    """Ranks the settings of a spec's space.

    Args:
        spec: What is asked, with weights="random". Objective "flops" counts on the `meta` device
            and needs neither memory nor time; "speedup" also times the most promising `trials`
            (10 unless told otherwise) on the device.
        on_event: Told of what happens.

    Raises:
        InputError: The spec asks for quality, or for what only a search under quality has.
    """
    _check(spec)
    if spec.objective == "flops":
        spec = spec.model_copy(update={"device": "meta"})
    problem = PipelineProblem.from_spec(spec)
    settings, whole = _settings(problem.space)
    ratios = {s.config: 1 / (problem.space.work_of(s.config) or 1.0) for s in settings}
    ranking = sorted((Ranked(c, ratio) for c, ratio in ratios.items()), key=_speed)
    on_event(Notice(f"{len(ranking)} settings counted; {REFUSED}"))
    if spec.objective == "speedup":
        first = ranking[: spec.trials or _TIMED]
        ranking = [*sorted(_timed(problem, first, on_event), key=_speed), *ranking[len(first) :]]
    folder = Path(problem.spec.out or ".")
    result = WorkResult(
        spec=problem.spec,
        settings=tuple(ranking),
        counted=len(ranking),
        whole=whole,
        conditions=_conditions(problem),
        path=folder / FILE,
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(result.path, json.dumps(result.to_dict(), indent=1) + "\n")
    return result


def _speed(ranked: Ranked) -> float:
    return -(ranked.flops_ratio if ranked.speedup is None else ranked.speedup)


def _check(spec: StudySpec) -> None:
    asked = {
        "max_score_loss": spec.max_score_loss != StudySpec().max_score_loss,
        "max_loss": bool(spec.max_loss),
        "frontier": spec.frontier,
        "scorer": spec.scorer is not None,
        "speedup": spec.speedup is not None,
        "latency": spec.latency is not None,
        "references": spec.references,
        "workers": spec.workers > 1,
    }
    wrong = [name for name, given in asked.items() if given]
    if wrong:
        raise InputError(
            f"weights='random' cannot go with {', '.join(wrong)}: {REFUSED}; leave it out, or "
            "take pretrained weights"
        )
    if spec.objective == "memory":
        raise InputError("weights='random' ranks by objective 'flops' or 'speedup', not 'memory'")


def _settings(space: Space) -> tuple[list[Setting], bool]:
    """Distinct settings: all of a small space, else what lies on the way to the least work."""
    whole = space.distinct(_WHOLE)
    if whole is not None:
        return whole, True
    found: dict[str, Setting] = {}
    for point in _starts(space):
        here = point
        while True:
            near = [here, *space.neighbours(here)]
            around = [s for p in near if isinstance(s := space.resolve(p), Setting)]
            found |= {setting.key: setting for setting in around}
            best = min(around, key=lambda s: space.work_of(s.config) or 1.0, default=None)
            if best is None or best.point == space.normal(here):
                break
            here = best.point
    return list(found.values()), False


def _starts(space: Space) -> Iterable[tuple[int, ...]]:
    """The harshest point, each accelerator's harshest alone, and the presets."""
    harshest = tuple(len(axis.values) - 1 for axis in space.axes)
    yield harshest
    for positions in space.members.values():
        if space.axes[positions[0]].has_off:
            alone = (top if i in positions else 0 for i, top in enumerate(harshest))
            yield space.normal(tuple(alone))
    for preset in space.presets:
        point = space.encode(preset)
        if point is not None:
            yield point


def _timed(problem: PipelineProblem, ranking: Iterable[Ranked], on_event: OnEvent) -> list[Ranked]:
    """Seconds beside the plain pipeline, in the order AB, BA."""
    import torch

    spec, pipe = problem.spec, problem.pipe
    size, device = int(spec.batch_size or 1), str(pipe.device)
    options = CallOptions(
        spec.steps, float(spec.guidance_scale or 0), spec.negative_prompt, spec.resolution
    )
    arguments = options.arguments(["a photo of a cat"] * size)

    def seconds(call: Any) -> float:
        generator = torch.Generator("cpu").manual_seed(spec.seed)
        return timed(lambda: call(generator=generator, **arguments), device)[0]

    seconds(pipe)  # the first call is slower than any other
    found = []
    for ranked in ranking:
        with stack.applied(pipe, ranked.config) as call:
            seconds(call)
        plain_s, fast_s = [seconds(pipe)], []
        with stack.applied(pipe, ranked.config) as call:
            fast_s += [seconds(call), seconds(call)]
        plain_s.append(seconds(pipe))
        fast = statistics.fmean(fast_s)
        speedup = statistics.fmean(plain_s) / fast
        on_event(Notice(f"{ranked.config}: {speedup:.2f}x, {fast / size:.3g} s per prompt"))
        found.append(replace(ranked, speedup=speedup, latency_s=fast / size))
    return found


def _conditions(problem: PipelineProblem) -> dict[str, Any]:
    spec, device = problem.spec, str(problem.pipe.device)
    return {
        "model": spec.model,
        "pipeline": type(problem.pipe).__name__,
        "scheduler": spec.scheduler,
        "steps": spec.steps,
        "guidance_scale": spec.guidance_scale,
        "resolution": spec.resolution,
        "batch_size": spec.batch_size,
        "dtype": str(problem.pipe.dtype).removeprefix("torch."),
        "device": "counted on meta" if device == "meta" else machine(device),
        "weights": spec.weights,
        "versions": versions(("torch", "diffusers", "transformers")),
    }
