"""Reading studies without searching: what there is in a storage, and every trial of one."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel_opt.core.errors import InputError, UnknownNameError
from accel_opt.core.measurement import Best, Limit
from accel_opt.core.secrets import masked
from accel_opt.core.spec import StudySpec
from accel_opt.search.artifacts import pictures
from accel_opt.search.conditions import CONDITIONS, SHAPE, SPEC
from accel_opt.search.confirm import Verdict, winner_of
from accel_opt.search.ledger import Ledger, fill
from accel_opt.search.note import read_references
from accel_opt.search.pareto import front
from accel_opt.search.records import ATTRIBUTE, Record
from accel_opt.search.storage import open_storage, url_of
from accel_opt.search.verdicts import read as read_verdicts

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class StudyView:
    """A study as it stands.

    Attributes:
        name: Its name.
        storage: URL of its storage, secrets masked.
        limits: What may be lost.
        conditions: What its latest measurements depend on.
        spec: What was asked for; None when it was no search of a pipeline.
        verdicts: What confirmation said under the latest conditions.
        records: Evaluations under the latest conditions, in order.
        ledger: The same, with the best of them.
        parameters: The space: numbers of every parameter, "accelerator.parameter".
    """

    name: str
    storage: str
    limits: tuple[Limit, ...]
    conditions: dict[str, Any]
    spec: StudySpec | None
    verdicts: tuple[Verdict, ...]
    records: tuple[Record, ...]
    ledger: Ledger
    parameters: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def n_settings(self) -> int:
        """Levels of the parameters multiplied: an upper bound of what the space holds."""
        return math.prod(len(numbers) for numbers in self.parameters.values())

    @property
    def winner(self) -> Best | None:
        """The confirmed setting with its held-out numbers, else the best that was found."""
        confirmed, best = winner_of(self.verdicts), self.ledger.best
        if confirmed:
            return confirmed.best
        return self.ledger.show(best) if best else None

    @property
    def front(self) -> set[str]:
        """Keys of the settings on the front of speed and first loss."""
        return {best.key for best in front(self.ledger)}


@dataclass(frozen=True)
class Loaded:
    """A study with what lies beside its evaluations.

    Attributes:
        view: The study.
        pictures: Image files by trial and name.
        references: What the winner was held against, as plain values.
    """

    view: StudyView
    pictures: dict[int, dict[str, Path]]
    references: dict[str, list[dict[str, Any]]]


def view(study: optuna.Study, storage: str) -> StudyView | None:
    """A study of ours; None for one that accel_opt did not write."""
    attributes = study.user_attrs
    if SHAPE not in attributes:
        return None
    shape = json.loads(attributes[SHAPE])
    limits = tuple(Limit(*parts) for parts in shape["limits"])
    epochs: list[dict[str, Any]] = json.loads(attributes.get(CONDITIONS, "[{}]"))
    records = []
    for trial in study.get_trials(deepcopy=False):
        text = trial.user_attrs.get(ATTRIBUTE)
        if text is not None and trial.state.is_finished():
            record = Record.from_text(trial.number, text)
            if record.epoch == len(epochs) - 1:
                records.append(record)
    ledger = fill(Ledger(limits), records)
    text = attributes.get(SPEC)
    return StudyView(
        name=study.study_name,
        storage=masked(storage),
        limits=limits,
        conditions=dict(epochs[-1]),
        spec=StudySpec.model_validate_json(text) if text else None,
        verdicts=tuple(read_verdicts(study, len(epochs) - 1).values()),
        records=tuple(records),
        ledger=ledger,
        parameters=shape["parameters"],
    )


def read_study(name: str, storage: str) -> StudyView:
    """The study of a name.

    Raises:
        UnknownNameError: The storage has no such study.
    """
    found = view(_study(name, storage), storage)
    if found is None:
        raise InputError(f"study {name!r} was not written by accel_opt")
    return found


def load(name: str, storage: str) -> Loaded:
    """The study of a name with its images and references.

    Raises:
        UnknownNameError: The storage has no such study.
    """
    study = _study(name, storage)
    found = view(study, storage)
    if found is None:
        raise InputError(f"study {name!r} was not written by accel_opt")
    return Loaded(found, pictures(study), read_references(study))


def _study(name: str, storage: str) -> optuna.Study:
    import optuna

    opened = open_storage(storage)
    names = optuna.study.get_all_study_names(opened)
    if name not in names:
        raise UnknownNameError("study", name, names, "See: accel-opt show studies")
    return optuna.load_study(study_name=name, storage=opened)


def all_studies(storage: str | None) -> Iterator[StudyView]:
    """Every study of a storage; without one, of the databases below ./studies."""
    import optuna

    urls = [storage] if storage else [url_of(path) for path in databases()]
    for url in urls:
        opened = open_storage(url)
        for name in sorted(optuna.study.get_all_study_names(opened)):
            found = view(optuna.load_study(study_name=name, storage=opened), url)
            if found is not None:
                yield found


def storage_of(name: str) -> str:
    """URL of the database below ./studies that holds a study.

    Raises:
        UnknownNameError: None of them does.
    """
    known = {}
    for found in all_studies(None):
        known[found.name] = found.storage
    if name not in known:
        raise UnknownNameError("study", name, known, "Give --storage, or: accel-opt show studies")
    return known[name]


def databases() -> list[Path]:
    """SQLite databases and Journals one folder below ./studies."""
    return sorted(path for kind in ("db", "log") for path in Path("studies").glob(f"*/*.{kind}"))
