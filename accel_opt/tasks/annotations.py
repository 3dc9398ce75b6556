"""Annotation files for a folder of generated programs, and the generation files beside them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accel_opt.core.dims import Number
from accel_opt.core.errors import CorruptFileError, InputError
from accel_opt.core.files import write_atomically, write_bytes_atomically
from accel_opt.core.program import read_target_line
from accel_opt.tasks.catalogue import FIRST_ID
from accel_opt.tasks.names import scheduler_nickname
from accel_opt.tasks.task import Task
from accel_opt.tasks.text import recognise

DIFFICULTIES = ("easy", "medium", "hard")
ANNOTATIONS = "anno_4_category.json"
MAPPING = "file_id_mapping.json"
CODE_FOLDER = "gt_code"
_GROUP_SIZE = len(DIFFICULTIES)


@dataclass
class Annotations:
    """What a folder of programs gives.

    Attributes:
        entries: Objects of the annotation file, in order.
        files: The program that each entry's `gt_code/{id}.py` is a copy of, by id.
        skipped: Why a file was left out, by its name.
    """

    entries: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def mapping(self) -> dict[str, str]:
        """The id that each file got, by its name."""
        return {name: prompt_id for prompt_id, name in self.files.items()}


def annotations_of(
    names: Iterable[str], *, first_id: int = FIRST_ID, suffix: str = ""
) -> Annotations:
    """Annotates programs by their file names; a function of its arguments alone.

    Programs of one (model, sampler, steps) form a group; its three lowest speedups become easy,
    medium and hard.

    Args:
        names: File names, in any order.
        first_id: Number of the first entry.
        suffix: Text to add to each `prompt_context`.
    """
    found = Annotations()
    groups: dict[str, list[tuple[Number, str]]] = {}
    for name in sorted(set(names)):
        read = _group_and_speedup(name)
        if isinstance(read, str):
            found.skipped[name] = read
        else:
            groups.setdefault(read[0], []).append((read[1], name))
    for group in sorted(groups):
        programs = sorted(groups[group])
        if len(programs) < _GROUP_SIZE:
            why = f"its group {group} has {len(programs)} of {_GROUP_SIZE} programs"
            found.skipped |= {name: why for _, name in programs}
            continue
        for speedup, name in programs[_GROUP_SIZE:]:
            why = f"its group {group} has {len(programs)} programs, and {speedup}x is not among the"
            found.skipped[name] = f"{why} three lowest"
        for difficulty, (_, name) in zip(DIFFICULTIES, programs, strict=False):
            prompt_id = str(first_id + len(found.entries))
            found.entries.append(_entry(prompt_id, name, difficulty, suffix))
            found.files[prompt_id] = name
    return found


def annotate(
    folder: str | Path,
    out: str | Path,
    *,
    first_id: int = FIRST_ID,
    suffix: str = "",
    overwrite: bool = False,
) -> Annotations:
    """Writes the annotation file, the mapping and `gt_code/` for a folder of programs.

    Args:
        folder: Where the programs lie.
        out: Where to write; made when it is not there.
        first_id: Number of the first entry.
        suffix: Text to add to each `prompt_context`.
        overwrite: Write into an existing `gt_code/`; programs of other ids in it stay.

    Raises:
        InputError: There is no such folder, no group of three programs in it, or a `gt_code/`
            that may not be overwritten.
    """
    folder, out = Path(folder), Path(out)
    if not folder.is_dir():
        raise InputError(f"no folder {folder}; give the one that accel-opt generate wrote")
    if first_id < 0:
        raise InputError(f"first_id={first_id}: ids count up from 0 or more, such as {FIRST_ID}")
    names = [path.name for path in folder.iterdir() if path.is_file()]
    found = annotations_of(names, first_id=first_id, suffix=suffix)
    if not found.entries:
        why = "; ".join(f"{name}: {reason}" for name, reason in sorted(found.skipped.items())[:3])
        raise InputError(f"{folder} has no group of three programs{f' ({why})' if why else ''}")
    code = out / CODE_FOLDER
    if code.exists() and not overwrite:
        raise InputError(f"{code} exists; --overwrite writes into it, or choose another --out")
    for prompt_id, name in found.files.items():
        write_bytes_atomically(code / f"{prompt_id}.py", (folder / name).read_bytes())
    write_atomically(out / ANNOTATIONS, annotations_text(found.entries))
    write_atomically(out / MAPPING, annotations_text(found.mapping))
    return found


def annotations_text(data: Any) -> str:
    """An annotation file's or mapping's content."""
    return json.dumps(data, indent=2, ensure_ascii=False)


def read_annotations(path: str | Path) -> list[dict[str, Any]]:
    """The objects of an annotation or generation file.

    Raises:
        InputError: There is no such file.
        CorruptFileError: It is no list of objects with a `prompt_id`.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"no file {path}; accel-opt annotate DIR --out DIR writes one") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path} is no annotation file: {error}") from None
    if not isinstance(data, list):
        raise CorruptFileError(f"{path} is no annotation file: a list of objects is expected")
    for number, entry in enumerate(data):
        if not isinstance(entry, dict) or "prompt_id" not in entry:
            raise CorruptFileError(f"{path}: object {number} has no prompt_id")
    return data


def derive_gen(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The generation file's objects: `gt` becomes `gen` in the path, the rest stays."""
    derived = []
    for entry in entries:
        made: dict[str, Any] = {}
        for name, value in entry.items():
            if name == "path_to_gt_code":
                made["path_to_gen_code"] = re.sub(r"(^|/)gt_code/", r"\1gen_code/", str(value))
            else:
                made[name] = value
        derived.append(made)
    return derived


def out_of_reach(folder: str | Path, found: Annotations) -> list[str]:
    """Easy and medium programs whose target lies above what was found, by their docstrings.

    Args:
        folder: Where the programs lie.
        found: Their annotations.

    Returns:
        One sentence a program, also for those that do not say what was found.
    """
    problems = []
    for entry in found.entries:
        name = found.files[entry["prompt_id"]]
        if entry["difficulty"] == "hard":
            continue
        numbers = read_target_line(_docstring(Path(folder) / name))
        if numbers is None:
            problems.append(f"{name}: does not say which speedup was found")
        elif numbers[0] > numbers[1]:
            problems.append(
                f"{name}: {entry['difficulty']} target {numbers[0]}x is above the "
                f"{numbers[1]}x that was found"
            )
    return problems


def _entry(prompt_id: str, name: str, difficulty: str, suffix: str) -> dict[str, Any]:
    return {
        "prompt_id": prompt_id,
        "category": 4,
        "prompt_context": Path(name).stem + suffix,
        "difficulty": difficulty,
        "path_to_gt_code": f"{CODE_FOLDER}/{prompt_id}.py",
    }


def _group_and_speedup(name: str) -> tuple[str, Number] | str:
    """A program's group and speedup, or why it has none."""
    stem = name.removesuffix(".py")
    if stem == name or not stem:
        return "no Python file"
    try:
        stem.encode()
        parts = recognise(stem, strict=False)
        if isinstance(parts.speedup, str) or parts.speedup is None:
            return "its name holds no speedup, such as 2.5x speedup"
        if parts.model is None and parts.sampler is None:
            return "its name holds neither a model nor a sampler"
        defaults = Task()
        task = Task(
            parts.model or defaults.model,
            parts.sampler or defaults.sampler,
            defaults.steps if parts.steps is None else parts.steps,
            speedup=parts.speedup,
        )
    except (InputError, UnicodeEncodeError) as error:
        return str(error)
    return f"{task.model}_{scheduler_nickname(task.scheduler)}_{task.steps}", parts.speedup


def _docstring(path: Path) -> str:
    try:
        return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
