"""Searching models with random weights: for counted FLOPs, and for seconds; never for quality.

Without quality nothing holds a search back from the harshest settings, so this is a ranking: what
each setting of a space could give at most. It is kept as one JSON file, not as a study, and nothing
of it is exported: `search_params.json` holds settings whose loss was measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accel_opt.core.errors import InputError
from accel_opt.core.events import Notice, OnEvent, ignore
from accel_opt.core.files import write_atomically
from accel_opt.core.provenance import backends, machine, versions
from accel_opt.core.spec import StudySpec, make_spec
from accel_opt.facade.work_timing import Ranked, timed_beside_plain
from accel_opt.pipelines.devices import default_device
from accel_opt.search.pipeline_problem import PipelineProblem
from accel_opt.search.space import Setting, Space

REFUSED = "the weights are random: their images mean nothing, so quality is not measured"
COUNTED_HERE = (
    "there is no GPU, and a model of full size takes minutes an image on a processor; "
    "--objective speedup times it all the same"
)
FILE = "work.json"
# Spaces up to this size are counted whole, larger ones descended from several ends.
_WHOLE = 4000
_TIMED = 10


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
            (10 unless told otherwise) on the device. Where none was given and there is no GPU,
            it is "flops".
        on_event: Told of what happens.

    Raises:
        InputError: The spec asks for quality, or for what only a search under quality has.
        OutOfMemoryError: Not even the plain pipeline fits the device.
    """
    _check(spec)
    if "objective" not in spec.model_fields_set and _on_processor(spec):
        spec = spec.model_copy(update={"objective": "flops"})
        on_event(Notice(f"FLOPs are counted, nothing is timed: {COUNTED_HERE}"))
    if spec.objective == "flops":
        spec = spec.model_copy(update={"device": "meta"})
    problem = PipelineProblem.from_spec(spec)
    settings, whole = _settings(problem.space)
    ratios = {s.config: 1 / (problem.space.work_of(s.config) or 1.0) for s in settings}
    ranking = sorted((Ranked(c, ratio) for c, ratio in ratios.items()), key=_speed)
    on_event(Notice(f"{len(ranking)} settings counted; {REFUSED}"))
    if spec.objective == "speedup":
        first = ranking[: spec.trials or _TIMED]
        ranking = [
            *sorted(timed_beside_plain(problem, first, on_event), key=_speed),
            *ranking[len(first) :],
        ]
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


def _speed(ranked: Ranked) -> tuple[bool, float]:
    """Fastest first, and last what could not be timed."""
    return bool(ranked.failed), -(ranked.speedup or ranked.flops_ratio)


def _on_processor(spec: StudySpec) -> bool:
    return (spec.device or default_device()) == "cpu"


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
        **backends(device),
    }
