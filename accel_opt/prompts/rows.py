"""Texts out of a data set: on the hub, or a local folder or file of Parquet, JSON or CSV.

Data sets are streamed: of a column of captions nothing else is fetched. No data set runs code
here; the `datasets` package dropped scripts, and is not asked for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from accel_opt.core.errors import InputError
from accel_opt.core.hub import Wanted, explained, reachable, unreachable
from accel_opt.core.imports import imports_explained
from accel_opt.prompts import cache

COCO = "phiyodr/coco2017"
OFFLINE_WAYS = (
    "Offline ways: --prompts-from with a .txt file or a folder of the data set's Parquet files, "
    "set HF_HOME to a cache that has it, or --prompts-from embedded"
)
# Columns that hold prompts in the data sets people use, looked for in this order.
_USUAL = ("prompt", "captions", "caption", "text")
# Parts that models were not trained on come first.
_SPLITS = ("validation", "val", "test")


def texts_of(source: str, column: str | None) -> Iterator[str]:
    """The prompts of a data set, in its order.

    Args:
        source: "owner/name" or "owner/name/configuration" on the hub, a folder, or a Parquet
            file.
        column: Column of strings, or of lists of strings whose first is taken; None takes the
            first of the usual names.

    Raises:
        HubUnreachableError: It is neither local nor cached nor reachable.
        InputError: There is no such data set or column, or the column holds no text.
    """
    rows = _rows(source)
    found = False
    for number, row in enumerate(rows):
        if number == 0:
            column = _column(source, row, column)
        value = row.get(str(column))
        text = value[0] if isinstance(value, list | tuple) and value else value
        if isinstance(text, str) and text.strip():
            found = True
            yield " ".join(text.split())
        elif number == 0 and value is not None and not isinstance(text, str | type(None) | list):
            raise InputError(f"{source}: column {column!r} holds {type(text).__name__}, no text")
    if not found:
        raise InputError(f"{source} holds no text" + (f" in column {column!r}" if column else ""))


def _column(source: str, row: dict[str, Any], column: str | None) -> str:
    have = ", ".join(row)
    if column is None:
        usual = [name for name in _USUAL if name in row]
        if not usual:
            raise InputError(f"{source}: say which column, as {source}:COLUMN; it has: {have}")
        return usual[0]
    if column not in row:
        raise InputError(f"data set {source} has no column {column!r}; it has: {have}")
    return column


def _rows(source: str) -> Iterator[dict[str, Any]]:
    with imports_explained():
        import datasets

    wanted = Wanted(source, "data set", OFFLINE_WAYS)
    away = not Path(source).expanduser().exists() and not reachable()
    arguments, options = _cached(source, wanted) if away else _place(source)
    try:
        with cache.without_the_hub() if away else nullcontext():
            split = _split(datasets.get_dataset_split_names(*arguments, **options))
            rows = datasets.load_dataset(*arguments, split=split, streaming=True, **options)
            first = next(iter(rows), None)
    except Exception as error:
        # datasets raises a dozen unrelated types for "not there"; the cause is chained.
        raise explained(error, wanted) from error
    if first is not None:
        yield from rows


def _place(source: str) -> tuple[tuple[str, ...], dict[str, Any]]:
    """What `datasets` is to load: a local file or folder, or a data set of the hub."""
    local = Path(source).expanduser()
    if local.is_file():
        return ("parquet",), {"data_files": str(local)}
    if local.is_dir():
        return (str(local),), {}
    owner, name, *configuration = source.split("/")
    return (f"{owner}/{name}", *configuration), {}


def _cached(source: str, wanted: Wanted) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The same for a data set of a hub that is away.

    Raises:
        HubUnreachableError: It is in no cache.
    """
    arguments, options = _place(source)
    if cache.is_prepared(source):
        return arguments, options
    folder = cache.fetched(source)
    if folder is None:
        raise unreachable(wanted)
    # `datasets` does not look into the hub's cache by itself.
    return (str(folder), *arguments[1:]), options


def _split(names: list[str]) -> str:
    return next((name for name in _SPLITS if name in names), names[0])
