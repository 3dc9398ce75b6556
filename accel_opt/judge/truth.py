"""What a program is held against: the ground truth's config, and how models are known again."""

from __future__ import annotations

import re
from dataclasses import dataclass

from accel_opt import shapes
from accel_opt.core.errors import InputError
from accel_opt.judge.claim import Claim
from accel_opt.pipelines.catalogue import find_model
from accel_opt.pipelines.schedulers import scheduler_class_name
from accel_opt.tasks.text import recognise

_SNAPSHOT = re.compile(r"models--([\w.-]+?)--([\w.-]+)/snapshots/")


@dataclass(frozen=True)
class Truth:
    """The config that a program must have.

    Attributes:
        model: Name, hub id or folder that loads the model.
        scheduler: Class name.
        steps: Number of steps.
        pipeline: Class name; None where only the task's text is known and does not tell.
        size: Height and width in pixels; None likewise.
        known_from: "program" or "text".
    """

    model: str
    scheduler: str
    steps: int
    pipeline: str | None = None
    size: tuple[int, int] | None = None
    known_from: str = "program"


def of_claim(claim: Claim) -> Truth:
    """The truth that a ground-truth program shows."""
    height, width = claim.size
    return Truth(
        identity(claim.model), claim.scheduler, claim.steps, claim.pipeline, (height, width)
    )


def of_text(text: str) -> Truth | None:
    """The truth that a task's text tells; None unless it names model, sampler and steps."""
    try:
        parts = recognise(text)
        if parts.model is None or parts.sampler is None or parts.steps is None:
            return None
        model = find_model(parts.model)
        scheduler = scheduler_class_name(parts.sampler)
    except InputError:
        return None
    size = None if model.resolution is None else (model.resolution, model.resolution)
    return Truth(
        identity(parts.model), scheduler, parts.steps, model.pipeline_class or None, size, "text"
    )


def differences(truth: Truth, claim: Claim) -> list[str]:
    """What of a claim differs from the truth, one line a field; empty when nothing does."""
    shown = of_claim(claim)
    found = []
    for name in ("pipeline", "model", "scheduler", "steps"):
        wanted, got = getattr(truth, name), getattr(shown, name)
        if wanted is not None and wanted != got:
            found.append(f"{name} {got or 'unknown'} instead of {wanted}")
    if truth.size is not None and shown.size is not None and truth.size != shown.size:
        found.append(
            f"resolution {shown.size[0]} x {shown.size[1]} instead of "
            f"{truth.size[0]} x {truth.size[1]}"
        )
    return found


def identity(model: str) -> str:
    """One word for a model, whichever of its names, ids or cached folders it was loaded by."""
    if not model:
        return ""
    embedded = shapes.model_name(model)
    if embedded:
        return embedded
    cached = _SNAPSHOT.search(model)
    name = f"{cached.group(1)}/{cached.group(2)}" if cached else model
    try:
        found = find_model(name)
    except (InputError, OSError, ValueError):
        return name
    # Catalogue names may stand for several sizes; what is loaded tells them apart.
    return found.source or found.name
