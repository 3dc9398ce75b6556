"""evaluation_results.json: written anew, whole and in order, after each result."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from accel_opt.core.errors import CorruptFileError, InputError
from accel_opt.core.files import write_atomically
from accel_opt.judge.model import Conditions, Outcome, Task

_NESTED = "evaluation_results"
_CONDITIONS = ("prompts", "batch_size", "prompts_from", "scorer", "timeout_s", "memory_mib")


def document(task: Task, outcome: Outcome) -> dict[str, Any]:
    """The object of one task."""
    found: dict[str, Any] = {
        "config_match": outcome.config_match,
        "actual_speedup": outcome.speedup,
        "quality_loss": outcome.loss,
        "passed": outcome.passed,
        "achievement_rate": outcome.achievement,
        "failure_reason": None if outcome.reason is None else outcome.reason.value,
        "quality_threshold": task.max_score_loss,
        "performance_details": outcome.details,
    }
    if outcome.error:
        found["error"] = outcome.error
    made: dict[str, Any] = {
        "prompt_id": task.prompt_id,
        "difficulty": task.difficulty,
        "gt_path": task.gt_path,
        "gen_path": task.gen_path,
        "prompt_context": task.context,
        "target_speedup": task.target,
        _NESTED: found,
        "provenance": outcome.about,
    }
    if not task.target_named:
        made["target_note"] = f"the text names no speedup; {task.target:g} is taken"
    return made


def fingerprint(task: Task, conditions: Conditions) -> str:
    """Sixteen hex digits: programs, task and conditions under which a result stands."""
    parts: list[Any] = [task.difficulty, task.context, task.target, task.max_score_loss]
    parts += [asdict(conditions)[name] for name in _CONDITIONS]
    digest = hashlib.sha256(json.dumps(parts).encode())
    for file in (task.gt_file, task.gen_file):
        digest.update(b"\0" if file is None else hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


class ResultsFile:
    """The results so far; several threads may add to it.

    Args:
        path: The file.
        tasks: Every task, in the order in which results are to stand.
        fingerprints: Theirs, by id: a result under another one is made anew.
        anew: Whether to begin from nothing.

    Raises:
        CorruptFileError: The file is no list of results.
    """

    def __init__(
        self,
        path: Path,
        tasks: Iterable[Task],
        fingerprints: dict[str, str],
        *,
        anew: bool = False,
    ) -> None:
        self._path = path
        self._order = [task.prompt_id for task in tasks]
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, Any]] = {}
        self._others: list[dict[str, Any]] = []
        for item in [] if anew else _read(path):
            key = str(item.get("prompt_id"))
            if key not in fingerprints:
                self._others.append(item)
            elif _stands(item, fingerprints[key]):
                self._kept[key] = item

    @property
    def done(self) -> frozenset[str]:
        """Ids of the tasks that have a result."""
        return frozenset(self._kept)

    @property
    def passed(self) -> int:
        """How many of the tasks passed."""
        with self._lock:
            return sum(_found(item).get("passed") is True for item in self._kept.values())

    def add(self, key: str, made: dict[str, Any]) -> None:
        """Adds a result and writes the file."""
        with self._lock:
            self._kept[key] = made
            write_atomically(self._path, self._text())

    def listed(self) -> list[dict[str, Any]]:
        """The results in their order."""
        return [self._kept[key] for key in self._order if key in self._kept]

    def _text(self) -> str:
        items = [*self.listed(), *self._others]
        return json.dumps(items, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _found(item: dict[str, Any]) -> dict[str, Any]:
    found = item.get(_NESTED)
    return found if isinstance(found, dict) else item


def _stands(item: dict[str, Any], fingerprint: str) -> bool:
    about = item.get("provenance")
    # Results of other tools say nothing of what they were made under, and are kept.
    return not isinstance(about, dict) or about.get("fingerprint", fingerprint) == fingerprint


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise CorruptFileError(f"{path} is no JSON: {error}; --overwrite begins anew") from None
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        raise CorruptFileError(f"{path} is no list of results; --overwrite begins anew")
    return data
