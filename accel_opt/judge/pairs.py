"""Annotation file and generation file, entry by entry, as tasks to judge."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from accel_opt.core.errors import InputError
from accel_opt.judge.model import DIFFICULTIES, USUAL_LOSS, USUAL_TARGET, Difficulty, Task
from accel_opt.tasks.annotations import read_annotations
from accel_opt.tasks.text import recognise

_TARGET = re.compile(r"(\d+\.?\d*)x\s+speedup")


def read_pairs(
    annotations: Path,
    generations: Path,
    programs: Path | None = None,
    max_score_loss: float | None = None,
) -> tuple[list[Task], list[str]]:
    """Tasks in the order of the annotation file.

    Args:
        annotations: Ground truth; its programs' paths are relative to its folder.
        generations: Generated programs; their paths are relative to its folder, or to
        programs: this folder.
        max_score_loss: Loss allowed; None takes what each text says, else 0.02.

    Returns:
        The tasks, and one sentence for each generation that no annotation asks for.

    Raises:
        InputError: A file is missing, an id stands twice, a difficulty is unknown.
        CorruptFileError: A file is no list of objects with a `prompt_id`.
    """
    truths = _by_id(annotations)
    generated = _by_id(generations)
    folder = programs or generations.parent
    tasks = [
        _task(key, truth, generated.get(key, {}), annotations.parent, folder, max_score_loss)
        for key, truth in truths.items()
    ]
    extra = [
        f"{generations}: no annotation asks for prompt_id {key}; it is left out"
        for key in generated
        if key not in truths
    ]
    return tasks, extra


def target_of(text: str) -> float | None:
    """The speedup that a task's text asks for."""
    found = _TARGET.search(text)
    value = float(found.group(1)) if found else 0.0
    return value if 0 < value < float("inf") else None


def difficulty_of(value: Any, where: str) -> Difficulty:
    """A difficulty as a file gives it; a missing one is medium.

    Raises:
        InputError: An unknown one.
    """
    if value is None or value == "":
        return "medium"
    for known in DIFFICULTIES:
        if value == known:
            return known
    raise InputError(f"{where}: difficulty {value!r:.60}; known are {', '.join(DIFFICULTIES)}")


def _by_id(path: Path) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for entry in read_annotations(path):
        key = str(entry["prompt_id"])
        if key in found:
            raise InputError(f"{path}: prompt_id {key!r} stands twice; give each task its own")
        found[key] = entry
    return found


def _task(  # noqa: PLR0917 - two entries and where their files lie
    key: str,
    truth: Mapping[str, Any],
    made: Mapping[str, Any],
    truth_folder: Path,
    made_folder: Path,
    max_score_loss: float | None,
) -> Task:
    context = str(truth.get("prompt_context") or made.get("prompt_context") or "")
    target = target_of(context)
    gt_path = _first(truth, ("path_to_gt_code", "gt_path"))
    gen_path = _first(made, ("path_to_gen_code", "gen_path"))
    return Task(
        prompt_id=key,
        difficulty=difficulty_of(truth.get("difficulty"), f"prompt_id {key}"),
        context=context,
        gt_path=gt_path,
        gen_path=gen_path,
        gt_file=_file(truth_folder, gt_path),
        gen_file=_file(made_folder, gen_path),
        target=USUAL_TARGET if target is None else target,
        target_named=target is not None,
        max_score_loss=_loss_of(context) if max_score_loss is None else max_score_loss,
    )


def _first(entry: Mapping[str, Any], names: Iterable[str]) -> str:
    return next((str(entry[name]) for name in names if entry.get(name)), "")


def _file(folder: Path, path: str) -> Path | None:
    if not path or "\0" in path:
        return None
    found = folder / path
    return found if found.is_file() else None


def _loss_of(text: str) -> float:
    try:
        stated = recognise(text, strict=False).precision_loss
    except InputError:
        stated = None
    return stated if stated is not None and 0 < stated < 1 else USUAL_LOSS
