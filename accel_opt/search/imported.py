"""Which studies hold results that were measured elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from accel_opt.core.secrets import masked
from accel_opt.search.foreign import ForeignResult, foreign_results
from accel_opt.search.read import databases
from accel_opt.search.storage import open_storage, url_of


@dataclass(frozen=True)
class Imported:
    """A study's imported results, fastest first, whether it has searched anything or not."""

    study: str
    storage: str
    results: tuple[ForeignResult, ...]


def imported(storage: str | None = None) -> Iterator[Imported]:
    """The studies with imported results of a storage, or of the databases below ./studies."""
    import optuna

    urls = [storage] if storage else [url_of(path) for path in databases()]
    for url in urls:
        opened = open_storage(url)
        for name in sorted(optuna.study.get_all_study_names(opened)):
            found = foreign_results(optuna.load_study(study_name=name, storage=opened))
            if found:
                yield Imported(name, masked(url), tuple(found))
