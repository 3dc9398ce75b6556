"""Results of judged programs: reading evaluation_results.json, and the report.json made of it.

Each object of the file is one task; older files have it flat, newer ones keep what was measured
under "evaluation_results". The report is made from the file alone.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accel_opt.core.errors import CorruptFileError, InputError

DIFFICULTIES = ("easy", "medium", "hard")
_NESTED = "evaluation_results"
# Verdicts on a program; every other reason is an error that kept it from being evaluated.
_VERDICTS = (
    "config_mismatch", "speedup_target_not_met", "quality_threshold_exceeded", "timeout",
    "tampering", "unverified", "output_invalid",
)  # fmt: skip
_IMAGES = re.compile(r"(baseline|accelerated)-(\w{1,20})\.(png|jpg|jpeg|webp)")


@dataclass(frozen=True)
class Judged:
    """One judged program.

    Attributes:
        prompt_id: The task's id.
        difficulty: "easy", "medium" or "hard".
        context: The task's text.
        path: The program.
        target: Speedup asked for; None when unknown.
        speedup: Speedup measured; None without.
        loss: Quality loss measured; None without.
        limit: Greatest loss allowed.
        passed: Whether it passed.
        achievement: Share of the target that a passed hard task reached.
        reason: Why it failed; empty when it passed.
        error: What went wrong, in words.
        details: What else was measured, as it stands in the file.
        images: Pairs of files (baseline, accelerated) where there are such.
        sandbox: Level at which it ran; empty where the file does not say.
    """

    prompt_id: str
    difficulty: str
    context: str = ""
    path: str = ""
    target: float | None = None
    speedup: float | None = None
    loss: float | None = None
    limit: float = 0.02
    passed: bool = False
    achievement: float | None = None
    reason: str = ""
    error: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    images: tuple[tuple[Path, Path], ...] = ()
    sandbox: str = ""


def read_results(path: Path) -> list[Judged]:
    """Results of a file, in its order.

    Images lie beside it, in `images/<prompt_id>/baseline-0.png` and `accelerated-0.png`.

    Raises:
        InputError: There is no such file.
        CorruptFileError: It is no list of results.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no file {path}; accel-opt judge writes one") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise CorruptFileError(f"{path} is no JSON: {error}") from None
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise CorruptFileError(f"{path} is no list of results, one object a task")
    return [_judged(item, place, path) for place, item in enumerate(data)]


def _judged(item: dict[str, Any], place: int, path: Path) -> Judged:
    found = item.get(_NESTED)
    found = found if isinstance(found, dict) else item
    difficulty = item.get("difficulty") or "medium"
    if difficulty not in DIFFICULTIES:
        raise CorruptFileError(
            f"{path}: task {item.get('prompt_id', place)!r} has difficulty {difficulty!r}; "
            f"known are {', '.join(DIFFICULTIES)}"
        )
    prompt_id = str(item.get("prompt_id", place))
    details = found.get("performance_details")
    limit = _number(found.get("quality_threshold"))
    passed = found.get("passed") is True
    return Judged(
        prompt_id=prompt_id,
        difficulty=difficulty,
        context=_text(item.get("prompt_context")),
        path=_text(item.get("gen_path") or item.get("path_to_gen_code")),
        target=_number(item.get("target_speedup", found.get("target_speedup"))),
        speedup=_number(found.get("actual_speedup")),
        loss=_number(found.get("quality_loss")),
        limit=0.02 if limit is None else limit,
        passed=passed,
        achievement=_number(found.get("achievement_rate")),
        reason="" if passed else _text(found.get("failure_reason")),
        error=_text(found.get("error")),
        details=details if isinstance(details, dict) else {},
        images=_pairs(path.parent / "images", prompt_id),
        sandbox=_sandbox(item.get("provenance")),
    )


def _sandbox(about: Any) -> str:
    found = about.get("sandbox") if isinstance(about, dict) else None
    return _text(found.get("level")) if isinstance(found, dict) else ""


def _pairs(folder: Path, prompt_id: str) -> tuple[tuple[Path, Path], ...]:
    # An id from a file must not lead out of the folder.
    if not re.fullmatch(r"[\w-]{1,64}", prompt_id) or not (folder / prompt_id).is_dir():
        return ()
    found: dict[str, dict[str, Path]] = {}
    for path in sorted((folder / prompt_id).iterdir()):
        match = _IMAGES.fullmatch(path.name)
        if match:
            found.setdefault(match.group(2), {})[match.group(1)] = path
    return tuple(
        (pair["baseline"], pair["accelerated"]) for pair in found.values() if len(pair) == 2
    )


def report_document(results: Sequence[Judged]) -> dict[str, Any]:
    """The content of report.json."""
    return {
        "summary": {
            "total_tasks": len(results),
            "total_passed": sum(one.passed for one in results),
            "overall_pass_rate": _rate(results),
        },
        "by_difficulty": {name: _level(name, results) for name in DIFFICULTIES},
        "failure_analysis": {
            "config_mismatch_count": _count(results, "config_mismatch"),
            "speed_fail_count": sum(
                one.reason == "speedup_target_not_met" and one.difficulty != "hard"
                for one in results
            ),
            "quality_fail_count": _count(results, "quality_threshold_exceeded"),
            "error_count": sum(is_error(one) for one in results),
            "timeout_count": _count(results, "timeout"),
            "tampering_count": _count(results, "tampering"),
            "unverified_count": _count(results, "unverified"),
            "output_invalid_count": _count(results, "output_invalid"),
        },
        "sandbox": sorted({one.sandbox for one in results if one.sandbox}),
        "task_details": [_detail(one) for one in results],
    }


def is_error(one: Judged) -> bool:
    """Whether a program could not be evaluated, for whatever reason but a timeout."""
    return not one.passed and one.reason not in _VERDICTS


def _level(name: str, results: Sequence[Judged]) -> dict[str, Any]:
    mine = [one for one in results if one.difficulty == name]
    level: dict[str, Any] = {
        "total": len(mine),
        "passed": sum(one.passed for one in mine),
        "pass_rate": _rate(mine),
    }
    if name == "hard":
        rates = [one.achievement for one in mine if one.passed and one.achievement is not None]
        level["avg_achievement_rate"] = math.fsum(rates) / len(rates) if rates else 0.0
    return level


def _detail(one: Judged) -> dict[str, Any]:
    return {
        "prompt_id": one.prompt_id,
        "difficulty": one.difficulty,
        "prompt_context": one.context,
        "gen_path": one.path,
        "target_speedup": one.target,
        "actual_speedup": one.speedup,
        "quality_loss": one.loss,
        "quality_threshold": one.limit,
        "passed": one.passed,
        "achievement_rate": one.achievement,
        "failure_reason": one.reason or None,
        "error": one.error or None,
    }


def _rate(results: Sequence[Judged]) -> float:
    return sum(one.passed for one in results) / len(results) if results else 0.0


def _count(results: Sequence[Judged], reason: str) -> int:
    return sum(one.reason == reason for one in results)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
