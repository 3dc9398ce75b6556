"""`accel-opt import`: results measured elsewhere into a study."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accel_opt.cli.output import JsonFlag, clean, emit_json, messages
from accel_opt.core.errors import InputError

if TYPE_CHECKING:
    import optuna

    from accel_opt.results import Entry

_IMPORTED = "accel_opt:imported"
EXAMPLE = "accel-opt import old_params.json --study mine --model SD1.5 --scheduler DDIM --steps 50"


def import_results(
    file: Annotated[Path, typer.Argument(help="A search_params.json.")],
    study: Annotated[str, typer.Option(help="Name of the study; made when it is not there.")],
    storage: Annotated[
        str | None, typer.Option(help="Where it is kept; ./studies/NAME/study.db by default.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Which config of the file.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Which config of the file.")] = None,
    steps: Annotated[int | None, typer.Option(help="Which config of the file.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Adds the settings of a file to a study as finished trials, marked as foreign.

    A search of that name measures them first; their own numbers never win anything.
    """
    from accel_opt import results
    from accel_opt.core.files import file_name
    from accel_opt.search.foreign import ForeignResult, add_foreign

    read = results.read(file)
    chosen = _of_one_config(read.entries.values(), file, model, scheduler, steps)
    url = storage or f"sqlite:///{Path('studies') / file_name(study) / 'study.db'}"
    opened = _study(url, study)
    _refuse_another_config(opened, chosen[0])
    found = [
        ForeignResult(e.config, e.speedup, e.score_loss, f"{file.name} {e.key}") for e in chosen
    ]
    added = add_foreign(opened, found)
    key = chosen[0].key
    command = ["accel-opt", "search", "--model", key.model, "--scheduler", key.scheduler]
    command += ["--steps", str(key.steps), "--study", study]
    command += ["--storage", storage] if storage else []
    if as_json:
        emit_json(
            {
                "study": study,
                "added": [{"setting": r.config.to_dict(), "speedup": r.speedup} for r in added],
                "command": shlex.join(command),
            }
        )
    messages().print(
        clean(f"{len(added)} settings added to {study}, foreign; next: {shlex.join(command)}"),
        markup=False,
    )


def _of_one_config(
    entries: Iterable[Entry],
    file: Path,
    model: str | None,
    scheduler: str | None,
    steps: int | None,
) -> list[Entry]:
    from accel_opt.results import canonical_config

    entries = list(entries)
    configs: dict[tuple[str, str, int], list[Entry]] = {}
    for entry in entries:
        config = canonical_config(*entry.key.config)
        wanted = canonical_config(model or config[0], scheduler or config[1], steps or config[2])
        if config == wanted:
            configs.setdefault(config, []).append(entry)
    if len(configs) == 1:
        return next(iter(configs.values()))
    known = {canonical_config(*entry.key.config) for entry in entries}
    names = "; ".join(f"{m} {s} {n}" for m, s, n in sorted(configs or known)) or "nothing"
    raise InputError(
        f"{file}: a study is of one config, say which with --model, --scheduler and --steps; "
        f"the file has {names}"
    )


def _study(url: str, name: str) -> optuna.Study:
    import optuna

    from accel_opt.search.storage import open_storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(url)
    if name in optuna.study.get_all_study_names(storage):
        return optuna.load_study(storage=storage, study_name=name)
    return optuna.create_study(storage=storage, study_name=name, direction="maximize")


def _refuse_another_config(study: optuna.Study, entry: Entry) -> None:
    """A study keeps to one config: what it searches, else what was imported first."""
    from accel_opt.results import canonical_config
    from accel_opt.search.conditions import SPEC

    theirs = canonical_config(*entry.key.config)
    own = theirs
    if SPEC in study.user_attrs:
        spec = json.loads(study.user_attrs[SPEC])
        own = canonical_config(spec["model"], spec["scheduler"], int(spec["steps"]))
    elif _IMPORTED in study.user_attrs:
        own = tuple(json.loads(study.user_attrs[_IMPORTED]))
    else:
        study.set_user_attr(_IMPORTED, json.dumps(theirs))
    if own != theirs:
        raise InputError(
            f"study {study.study_name!r} is of {own[0]} {own[1]} {own[2]}, the entries are of "
            f"{theirs[0]} {theirs[1]} {theirs[2]}; choose another --study, or other entries"
        )
