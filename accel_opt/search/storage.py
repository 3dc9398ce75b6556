"""Opening the database of a study; every way in which that fails is one clear line."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel_opt.core.errors import CorruptFileError, InputError, MissingPackageError
from accel_opt.core.secrets import masked

if TYPE_CHECKING:
    import optuna

_SQLITE = "sqlite:///"
_JOURNAL = "journal:///"
# The driver that the extra `postgres` brings; SQLAlchemy would look for another one.
_DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
# With the driver's default of five seconds, workers die of "database is locked".
_LOCK_TIMEOUT_S = 60
# A connection that the server closed is found out before it is used.
_SERVER: dict[str, Any] = {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
# A server that is not there at all is said soon; one that goes away later is waited for.
_FIRST_PATIENCE_S = 5.0


def sqlite_path(url: str) -> Path | None:
    """File of an SQLite URL; None for other storages and for a database in memory."""
    if not url.startswith(_SQLITE):
        return None
    name = url.removeprefix(_SQLITE).split("?")[0]
    return None if name in ("", ":memory:") else Path(name)


def journal_path(url: str) -> Path | None:
    """File of a Journal URL; None for other storages."""
    name = url.removeprefix(_JOURNAL) if url.startswith(_JOURNAL) else ""
    return Path(name) if name else None


def url_of(path: Path) -> str:
    """URL of a database file: a Journal's name ends in .log, SQLite's in anything else."""
    return f"{_JOURNAL if path.suffix == '.log' else _SQLITE}{path}"


def file_of(storage: optuna.storages.BaseStorage) -> Path | None:
    """The file that a storage is; None in memory and for database servers."""
    backend: Any = getattr(storage, "_backend", storage)
    path: Path | None = getattr(backend, "path", None)
    return path or sqlite_path(str(getattr(backend, "url", "")))


def default_storage(folder: Path, workers: int = 1) -> str:
    """URL of a study's own database in its folder; a Journal once several workers share it."""
    journal = folder / "study.log"
    return url_of(journal if workers > 1 or journal.exists() else folder / "study.db")


def is_shared(storage: optuna.storages.BaseStorage) -> bool:
    """Whether several workers may search in a storage at once."""
    import optuna

    backend: Any = getattr(storage, "_backend", storage)
    if isinstance(storage, optuna.storages.JournalStorage):
        return True
    return str(getattr(backend, "url", "")).startswith("postgresql")


def check_shareable(url: str, workers: int) -> None:
    """Refuses storages that several workers cannot share.

    Raises:
        InputError: It is one of those; SQLite lets two workers take the same trial.
    """
    if workers > 1 and not url.startswith((_JOURNAL, *_DRIVERS)):
        raise InputError(
            f"storage {masked(url)!r} cannot be shared by {workers} workers (SQLite lets two of "
            "them take one trial); leave --storage out, or give journal:///studies/my/study.log "
            "or postgresql://user@host/database"
        )


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
        raise InputError(f"storage {masked(url)!r} is no URL; give sqlite:///studies/my/study.db")
    journal = journal_path(url)
    if journal is not None:
        return _open_journal(journal)
    path = sqlite_path(url)
    if path is not None:
        _prepare(path)
    return _open_rdb(url)


def _open_journal(path: Path) -> optuna.storages.BaseStorage:
    import optuna

    from accel_opt.search.journal import JournalFile

    if _exists(path) and path.stat().st_size:
        with path.open("rb") as file:
            if not file.read(16).lstrip().startswith(b'{"'):
                raise CorruptFileError(
                    f"{path} is no journal of studies; it is left as it is, choose another file"
                )
    try:
        return optuna.storages.JournalStorage(JournalFile(path))
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"{path} is no journal of studies ({_first_line(error)}); it is left as it is, "
            "choose another file"
        ) from None


def _exists(path: Path) -> bool:
    """Whether a file is there; it, or one in its place, can be written to."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            # Nothing is made to find out: another worker may be making the file right now.
            if not os.access(path.parent, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return False
        with path.open("ab"):
            pass
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}; choose another with --storage"
        ) from error
    return True


def _prepare(path: Path) -> None:
    exists = _exists(path)
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

    scheme, mark, rest = url.partition("://")
    server = scheme in _DRIVERS
    try:
        if server:
            from accel_opt.search.patient import connection_lost, patiently, raced
            from accel_opt.search.postgres import PostgresStorage

            full = _DRIVERS[scheme] + mark + rest
            return patiently(
                lambda: PostgresStorage(full, engine_kwargs=_SERVER),
                _FIRST_PATIENCE_S,
                lambda error: connection_lost(error) or raced(error),
            )
        options = {"connect_args": {"timeout": _LOCK_TIMEOUT_S}} if scheme == "sqlite" else {}
        return optuna.storages.RDBStorage(url, engine_kwargs=options)
    except ImportError as error:
        package = "psycopg" if server else error.name or "mysqlclient"
        install = "pip install 'accel_opt[postgres]'" if server else ""
        raise MissingPackageError(package, f"storage {masked(url)}", install) from error
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
    if isinstance(error, OSError):
        return InputError(
            f"cannot write {where}: {error.strerror}; what was told is kept: make room, or mend "
            "it, and run the same again"
        )
    if "is full" in text or "disk I/O error" in text or "No space left" in text:
        return InputError(
            f"cannot write {where}: {text}; what was told is kept: make room and run the same again"
        )
    if "is locked" in text:
        return InputError(
            f"cannot write {where}: another program has held it locked for {_LOCK_TIMEOUT_S} s; "
            "end that one and run the same again, what was told is kept"
        )
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
