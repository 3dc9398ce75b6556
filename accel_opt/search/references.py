"""What needs no search: fewer steps, a guidance cut-off, and the settings that were published.

A setting that does not beat these at equal latency has no reason to exist, and the result says
so.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from accel_opt import shapes
from accel_opt.accelerators import stack
from accel_opt.core.config import Config
from accel_opt.core.errors import EvaluationError
from accel_opt.core.events import Notice, OnEvent, ignore
from accel_opt.core.files import write_atomically
from accel_opt.core.measurement import Best, Evaluate, Interval
from accel_opt.core.run import Refusal
from accel_opt.measure.fewer_steps import FewerSteps
from accel_opt.search.ahead import in_order
from accel_opt.search.evaluation import Samples, search_batches
from accel_opt.search.pipeline_problem import PipelineProblem
from accel_opt.search.plan import SearchPlan

FRACTIONS = (0.75, 0.5, 0.35, 0.25, 0.15)
CUTOFFS = (0.5, 0.25)
FORMAT = 1
PRESETS = "published presets"

# Who measures it, and the setting asked of him.
Way = tuple[Evaluate, Config]


@dataclass(frozen=True)
class Reference:
    """One point of a curve that needs no search.

    Attributes:
        kind: "fewer steps", "guidance cut-off" or "published presets".
        label: In words: "10 steps", "no guidance from step 5", "deepcache(...), arXiv:...".
        speedup: Over the same baseline as the search's trials.
        score_loss: Loss of the first metric, on the search's prompts.
    """

    kind: str
    label: str
    speedup: Interval
    score_loss: Interval


@dataclass(frozen=True)
class Comparison:
    """The winner beside one kind of reference at equal latency.

    Attributes:
        kind: Kind of reference.
        reference_loss: Loss that the references would have at the winner's speedup; None where
            none of them is as fast.
        winner_loss: Loss of the winner on the same prompts, from the search.
        beats: Whether the winner loses less at equal latency, or nothing so fast was measured.
        text: The same in words.
    """

    kind: str
    reference_loss: float | None
    winner_loss: float
    beats: bool
    text: str


def measure_references(problem: PipelineProblem, on_event: OnEvent = ignore) -> list[Reference]:
    """Measures the curves of a problem, or reads them where they were measured before.

    They are kept in the study's folder, with the conditions that they depend on. The embedded
    model's ship with it: their losses hold on every machine, their speedups nearly.
    """
    path = Path(problem.spec.out or ".") / "references.json"
    kept = read_kept(path, problem.conditions)
    if kept is None and problem.model.kind == "embedded":
        kept = read_kept(shapes.REFERENCES_FILE, problem.conditions, unlike=("device", "versions"))
    known = {(found.kind, found.label): found for found in kept or ()}
    plan, wanted = problem.plan(), _wanted(problem)
    missing = [name for name in wanted if name not in known]
    if missing:
        on_event(Notice(f"measuring {len(missing)} settings that need no search"))
    known |= {name: _measured(*name, plan, wanted[name]) for name in missing}
    if missing:
        _write(path, problem.conditions, list(known.values()))
    return [known[name] for name in wanted]


def _wanted(problem: PipelineProblem) -> dict[tuple[str, str], Way]:
    """How each reference is measured, by kind and label."""
    evaluator, run = problem.evaluator, problem.run
    wanted: dict[tuple[str, str], Way] = {}
    for steps in sorted({max(1, round(run.steps * f)) for f in FRACTIONS})[::-1]:
        if steps < run.steps:
            wanted["fewer steps", f"{steps} steps"] = FewerSteps(evaluator, steps), Config()
    for step in sorted({max(1, round(run.steps * f)) for f in CUTOFFS})[::-1] if run.guided else ():
        config = Config({"cfg_cutoff": {"cutoff_step": step}})
        wanted["guidance cut-off", f"no guidance from step {step}"] = evaluator, config
    keys: set[str] = set()
    for config, source in problem.published:
        canonical = stack.canonical(config, run)
        # A preset may not fit so few steps, and two may be the same computation.
        if isinstance(canonical, Refusal) or canonical.key in keys:
            continue
        keys.add(canonical.key)
        wanted[PRESETS, f"{config}, {source}"] = evaluator, config
    return wanted


def compare(winner: Best, references: Iterable[Reference], limit: float) -> list[Comparison]:
    """Holds a winner's search numbers against each kind of reference at equal latency.

    Both were measured on the search's prompts; the loss of the references between two points
    is interpolated on the log of the speedup.

    Args:
        winner: The best setting.
        references: Measured points.
        limit: Greatest loss allowed.
    """
    speedup = (winner.found_speedup or winner.speedup).value
    loss = (winner.found_score_loss or winner.score_loss).value
    kinds: dict[str, list[Reference]] = {}
    for reference in references:
        kinds.setdefault(reference.kind, []).append(reference)
    return [_compare(kind, points, speedup, loss, limit) for kind, points in kinds.items()]


def _compare(
    kind: str, points: list[Reference], speedup: float, loss: float, limit: float
) -> Comparison:
    known = [(p.speedup.value, p.score_loss.value) for p in points]
    curve = _front([(1.0, 0.0), *(point for point in known if math.isfinite(point[0]))])
    within = max((s for s, value in curve if value <= limit), default=1.0)
    if speedup > curve[-1][0]:
        text = f"{kind}: at most {curve[-1][0]:.2f}x was measured"
        return Comparison(kind, None, loss, True, f"{text}; the winner reaches {speedup:.2f}x")
    there = float(
        np.interp(math.log(speedup), [math.log(s) for s, _ in curve], [v for _, v in curve])
    )
    word = "less" if loss < there else "more"
    text = (
        f"{kind}: {100 * there:+.2f} % loss at {speedup:.2f}x; the winner loses "
        f"{abs(100 * (there - loss)):.2f} points {word}. Within the limit {kind} "
        f"reaches {within:.2f}x"
    )
    return Comparison(kind, there, loss, loss < there, text)


def _front(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points that no other beats in speedup and loss, slowest first."""
    return [
        (speedup, loss)
        for speedup, loss in sorted(points)
        if not any(s >= speedup and v < loss for s, v in points)
    ]


def _measured(kind: str, label: str, plan: SearchPlan, way: Way) -> Reference:
    samples = Samples(plan.limits)
    nothing = Interval(math.nan, math.nan, math.nan, 0)
    try:
        in_order(*way, search_batches(plan), samples.add)
    except EvaluationError as error:
        return Reference(kind, f"{label}: {error}", nothing, nothing)
    loss = samples.losses()[plan.limits[0].metric].interval()
    return Reference(kind, label, samples.speed().log_interval(), loss)


def read_kept(
    path: Path, conditions: dict[str, Any], unlike: tuple[str, ...] = ()
) -> list[Reference] | None:
    """References that a file holds, when they were measured under the same conditions.

    Args:
        path: A references.json.
        conditions: What they depend on.
        unlike: Conditions that may differ.
    """
    wanted = json.loads(json.dumps(conditions))
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        had = data["conditions"]
        same = all(had[name] == wanted[name] for name in wanted if name not in unlike)
        if data["format"] != FORMAT or not same:
            return None
        return [_reference(item) for item in data["references"]]
    except (OSError, ValueError, KeyError, TypeError):
        # Missing, or written by something else: it is measured again.
        return None


def _reference(item: dict[str, Any]) -> Reference:
    found = Reference(**item)
    return replace(
        found,
        speedup=Interval(**item["speedup"]),
        score_loss=Interval(**item["score_loss"]),
    )


def _write(path: Path, conditions: dict[str, Any], references: list[Reference]) -> None:
    whole = [r for r in references if math.isfinite(r.speedup.value)]
    data = {
        "format": FORMAT,
        "conditions": conditions,
        "references": [asdict(reference) for reference in whole],
    }
    write_atomically(path, json.dumps(_finite(data), indent=1))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        # One timed block has no interval; JSON has no infinity.
        return math.copysign(1e9, value) if math.isinf(value) else None
    return value
