"""From SQLite to a Journal, when a study that one process began shall go on with several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from accel_opt.core.errors import InputError
from accel_opt.search.leases import LEASE, Owner
from accel_opt.search.storage import open_storage, url_of

if TYPE_CHECKING:
    import optuna

SET_ASIDE = ".before-workers"


def upgrade(old: Path, new: Path) -> bool:
    """Copies every study of an SQLite file into a new Journal, and sets the file aside.

    The Journal appears whole or not at all; the old file is kept under another name.

    Returns:
        Whether there was something to copy, and no Journal yet.

    Raises:
        InputError: A living process searches in the old file.
    """
    import optuna

    if new.exists() or not old.exists() or not old.stat().st_size:
        return False
    source = optuna.storages.get_storage(open_storage(url_of(old)))
    studies = source.get_all_studies()
    for study in studies:
        _refuse_living(study.study_name, source.get_all_trials(study._study_id, deepcopy=False))  # noqa: SLF001
    part = new.with_name(f".{new.stem}.part.log")
    part.unlink(missing_ok=True)
    target = open_storage(url_of(part))
    for study in studies:
        optuna.copy_study(from_study_name=study.study_name, from_storage=source, to_storage=target)
    part.replace(new)
    old.replace(old.with_name(old.name + SET_ASIDE))
    return True


def _refuse_living(name: str, trials: list[optuna.trial.FrozenTrial]) -> None:
    for trial in trials:
        owner = Owner.from_text(trial.user_attrs.get(LEASE, ""))
        running = not trial.state.is_finished() and owner is not None
        if owner is not None and running and owner.state() in ("alive", "unknown", "mine"):
            raise InputError(
                f"study {name!r} is being searched by process {owner.pid} on {owner.host}; wait "
                "for it or stop it, then --workers takes its database over"
            )
