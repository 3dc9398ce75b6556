"""Sample images of trials, kept as Optuna artifacts beside the study's database.

A file's id is made of its content, so that the baseline's images, which every trial shows, are
stored once. `optuna-dashboard sqlite:///study.db --artifact-dir artifacts` shows them as well.
"""

from __future__ import annotations

import hashlib
import json
import mimetypes
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel_opt.core.config import Config
from accel_opt.core.errors import InputError
from accel_opt.core.events import Notice, OnEvent
from accel_opt.core.files import file_name, write_bytes_atomically
from accel_opt.core.measurement import Batch, BatchMeasurement, Evaluate
from accel_opt.search.storage import file_of
from accel_opt.search.trials import Running

if TYPE_CHECKING:
    import optuna

# Attribute of a study whose database is no file: where its artifacts lie.
FOLDER = "accel_opt:artifacts"
_PREFIX = "artifacts:"  # Optuna's own, of a trial's system attributes
_TYPES = ("image/png", "image/jpeg", "image/webp")
_NAMESPACE = uuid.UUID("5f0c2f0e-8f0b-5d3c-9a53-3d1d6f3a0c11")


class Kept:
    """Remembers the files that an evaluator leaves, until their trial is told.

    Args:
        study: The study.
        out: Folder for them where the study's database is no file; None is ./studies/<study>.
        on_event: Told once when a file cannot be kept; the search goes on without.
    """

    def __init__(self, study: optuna.Study, out: Path | None, on_event: OnEvent) -> None:
        self._study, self._out, self._on_event = study, out, on_event
        self._files: dict[str, str] = {}
        self._failed = False

    def watch(self, evaluate: Evaluate) -> Evaluate:
        """The same evaluator, watched; a later file of a name replaces an earlier one."""

        def watched(config: Config, batch: Batch) -> BatchMeasurement:
            found = evaluate(config, batch)
            self._files.update(found.artifacts)
            return found

        return watched

    def upload(self, trial: Running) -> None:
        """Keeps the files with a trial that still runs; afterwards Optuna takes none."""
        files, self._files = self._files, {}
        folder = _chosen(self._study, self._out) if files else None
        if folder is None:
            return
        try:
            for name in sorted(files, key=_place):
                _upload(trial, folder, name, Path(files[name]))
        except (OSError, InputError) as error:
            if not self._failed:
                self._on_event(Notice(f"sample images are not kept: {error}"))
            self._failed = True


def folder_of(study: optuna.Study) -> Path | None:
    """Where to read a study's artifacts: beside a database file, else where the study says.

    A study in memory has none. What a study says is for reading images only.
    """
    import optuna

    storage = study._storage  # noqa: SLF001 - Optuna has no public way to a study's storage
    if isinstance(storage, optuna.storages.InMemoryStorage):
        return None
    path = file_of(storage)
    if path is not None:
        return path.parent / "artifacts"
    known = study.user_attrs.get(FOLDER)
    return Path(known) if isinstance(known, str) else None


def _chosen(study: optuna.Study, out: Path | None) -> Path | None:
    """Where to write: never where a study of others says; it is told, if it does not say yet."""
    import optuna

    storage = study._storage  # noqa: SLF001 - Optuna has no public way to a study's storage
    if isinstance(storage, optuna.storages.InMemoryStorage):
        return None
    if file_of(storage) is not None:
        return folder_of(study)
    own = (out or Path("studies", file_name(study.study_name))).resolve() / "artifacts"
    if FOLDER not in study.user_attrs:
        study.set_user_attr(FOLDER, str(own))
    return own


def is_image(path: Path) -> bool:
    """Whether a file is a picture by its first bytes, and no link to something else."""
    try:
        if path.is_symlink():
            return False
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")) or (
        head.startswith(b"RIFF") and head[8:] == b"WEBP"
    )


def only_images(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes of a trial or study without artifacts that are no images by id and type."""
    return {
        key: value
        for key, value in attributes.items()
        if not key.startswith(_PREFIX) or _meta(key, value) is not None
    }


def _meta(key: str, text: object) -> dict[str, Any] | None:
    """What an attribute says of an image; None for anything else."""
    try:
        found: dict[str, Any] = json.loads(str(text))
        # A database may come from anybody: an id is a UUID, or no file of ours.
        canonical = str(uuid.UUID(found["artifact_id"])) == found["artifact_id"]
        fits = canonical and key == f"{_PREFIX}{found['artifact_id']}"
        fits &= found["mimetype"] in _TYPES and found.get("encoding") is None
        return found if fits and isinstance(found["filename"], str) else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def pictures(study: optuna.Study) -> dict[int, dict[str, Path]]:
    """Image files of each trial by name ("baseline-0"), where they still exist."""
    folder = folder_of(study)
    found: dict[int, dict[str, Path]] = {}
    for trial in study.get_trials(deepcopy=False) if folder else ():
        for name, artifact_id in sorted(_listed(trial.system_attrs), key=lambda p: _place(p[0])):
            path = Path(folder or ".") / artifact_id
            if is_image(path):
                found.setdefault(trial.number, {})[name] = path
    return found


def _listed(attributes: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, text in attributes.items():
        meta = _meta(key, text) if key.startswith(_PREFIX) else None
        if meta is not None:
            which, _, kind = Path(meta["filename"]).stem.rpartition("-")
            word = "baseline" if kind == "baseline" else "accelerated"
            yield f"{word}-{which}", meta["artifact_id"]


def _upload(trial: Running, folder: Path, name: str, path: Path) -> None:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    # Databases hand attributes back by key: the first digits keep pairs together, in order.
    artifact_id = f"{_place(name):02x}{str(uuid.uuid5(_NAMESPACE, f'{digest} {name}'))[2:]}"
    if not (folder / artifact_id).exists():
        write_bytes_atomically(folder / artifact_id, content)
    mimetype, encoding = mimetypes.guess_type(path.name)
    kind, _, which = name.partition("-")
    # The dashboard shows files by name: so the setting's stands right of the baseline's.
    shown = f"{which}-{'baseline' if kind == 'baseline' else 'setting'}{path.suffix}"
    meta = {
        "artifact_id": artifact_id,
        "filename": shown,
        "mimetype": mimetype or "application/octet-stream",
        "encoding": encoding,
    }
    trial.storage.set_trial_system_attr(
        trial.trial_id,
        f"{_PREFIX}{artifact_id}",
        json.dumps(meta),
    )


def _place(name: str) -> int:
    """Pairs stay together, the baseline's first: baseline-0, accelerated-0, baseline-1, ..."""
    kind, _, which = name.partition("-")
    number = min(int(which), 100) if which.isdigit() else 101
    return 2 * number + (kind != "baseline")
