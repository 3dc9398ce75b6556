"""Opening the database of a study; every way in which that fails is one clear line."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from accel_opt.core.errors import CorruptFileError, InputError, MissingPackageError

if TYPE_CHECKING:
    import optuna

_SQLITE = "sqlite:///"
# With the driver's default of five seconds, workers die of "database is locked".
_LOCK_TIMEOUT_S = 60


def masked(url: str) -> str:
    """The URL without its password, for messages and logs."""
    return re.sub(r"(://[^:/@]+):[^@]*@", r"\1:***@", url)


def sqlite_path(url: str) -> Path | None:
    """File of an SQLite URL; None for other storages and for a database in memory."""
    if not url.startswith(_SQLITE):
        return None
    name = url.removeprefix(_SQLITE).split("?")[0]
    return None if name in ("", ":memory:") else Path(name)


def open_storage(url: str | None) -> optuna.storages.BaseStorage:
    """The storage of a URL; None keeps the study in memory.

    Raises:
        InputError: The folder cannot be written to, or the URL is none.
        CorruptFileError: The file is no database; it is left as it is.
    """
    import optuna

    if url is None:
        return optuna.storages.InMemoryStorage()
    if "://" not in url:
        raise InputError(f"storage {url!r} is no URL; give sqlite:///studies/my/study.db")
    path = sqlite_path(url)
    if path is not None:
        _prepare(path)
    return _open_rdb(url)


def _prepare(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        exists = path.exists()
        with path.open("ab"):
            pass
        if not exists:
            path.unlink()
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}; choose another with --storage"
        ) from error
    if exists and path.stat().st_size:
        with path.open("rb") as file:
            if file.read(16) != b"SQLite format 3\0":
                raise CorruptFileError(
                    f"{path} is no SQLite database; it is left as it is, choose another file"
                )
        _refuse_other_databases(path)


def _refuse_other_databases(path: Path) -> None:
    """Keeps Optuna from making its tables in a database that is somebody else's."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            names = {row[0] for row in opened.execute("select name from sqlite_master")}
    except sqlite3.Error:
        return  # locked or damaged: opening it for good says which
    if names and "studies" not in names:
        raise CorruptFileError(
            f"{path} is no database of studies (it has: {', '.join(sorted(names)[:5])}); "
            "it is left as it is, choose another file"
        )


def _open_rdb(url: str) -> optuna.storages.BaseStorage:
    import optuna
    import sqlalchemy.exc

    options = {"connect_args": {"timeout": _LOCK_TIMEOUT_S}} if url.startswith("sqlite") else {}
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
    except ImportError as error:
        package = "psycopg" if url.startswith("postgres") else error.name or "mysqlclient"
        raise MissingPackageError(package, f"storage {masked(url)}") from error
    except RuntimeError as error:
        # Optuna's own: the schema belongs to another version of it.
        raise CorruptFileError(
            f"{masked(url)}: {_first_line(error)}; it is left as it is"
        ) from None
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise refused(url, error) from None


def refused(url: str | None, error: Exception) -> InputError:
    """What to tell a person of an error that the database raised."""
    cause = error.__cause__ or error
    text = _first_line(cause)
    where = masked(url or "memory")
    if "readonly" in text:
        return InputError(f"cannot write {where}: it is read-only; choose another with --storage")
    if (
        "malformed" in text
        or "not a database" in text
        or "no such table" in text
        or "no such column" in text
    ):
        return CorruptFileError(
            f"{where} is no database of studies ({text}); it is left as it is, choose another file"
        )
    return InputError(f"cannot open {where}: {text}")


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip(" .") if lines else type(error).__name__
