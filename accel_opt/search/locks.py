"""One at a time: the lock under which a worker chooses a setting and reserves it.

A file beside a Journal, which the kernel frees when its holder dies; an advisory lock in
PostgreSQL, which the server frees when the connection does.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from accel_opt.core.errors import InputError
from accel_opt.search.storage import file_of, is_shared

if TYPE_CHECKING:
    import optuna

# Choosing takes seconds at most; who waits longer than this waits for a process that is stopped.
LONGEST_S = 900.0
_POLL_S = 0.005


class StepLock(Protocol):
    """Held while a setting is chosen and reserved."""

    def __enter__(self) -> Self:
        """Waits for it."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Gives it back."""
        ...

    def held(self) -> bool:
        """Whether it has been held without a break; a server that restarts drops it."""
        ...


class NoLock:
    """For studies that one process has to itself."""

    def __enter__(self) -> Self:
        """See StepLock."""
        return self

    def __exit__(self, *_: object) -> None:
        """See StepLock."""

    def held(self) -> bool:
        """See StepLock."""
        return True


class FileLock:
    """A lock beside a Journal's file.

    Args:
        path: The Journal's file.
    """

    def __init__(self, path: str) -> None:
        import filelock

        self._lock = filelock.FileLock(f"{path}.lock")
        self._path = path

    def __enter__(self) -> Self:
        """See StepLock.

        Raises:
            InputError: Somebody has held it for a quarter of an hour, or it cannot be made.
        """
        import filelock

        try:
            self._lock.acquire(timeout=LONGEST_S, poll_interval=_POLL_S)
        except filelock.Timeout:
            raise InputError(
                f"{self._path}.lock has been held for {LONGEST_S:.0f} s; a worker on this study is "
                "stopped or hangs: end it, and run the same again"
            ) from None
        except OSError as error:
            raise InputError(f"cannot lock {self._path}: {error.strerror}") from error
        return self

    def __exit__(self, *_: object) -> None:
        """See StepLock."""
        self._lock.release()

    def held(self) -> bool:
        """See StepLock."""
        return bool(self._lock.is_locked)


class AdvisoryLock:
    """A lock in PostgreSQL, held by a connection of its own.

    Args:
        url: SQLAlchemy's URL of the database.
        name: Name of the study.
    """

    def __init__(self, url: str, name: str) -> None:
        import sqlalchemy

        self._engine = sqlalchemy.create_engine(
            url,
            poolclass=sqlalchemy.pool.NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": 10},
        )
        digest = hashlib.sha256(f"accel_opt:{name}".encode()).digest()
        self._key = int.from_bytes(digest[:8], "big", signed=True)
        self._connection: Any = None

    def __enter__(self) -> Self:
        """See StepLock."""
        from accel_opt.search.patient import patiently

        patiently(self._acquire)
        return self

    def __exit__(self, *_: object) -> None:
        """See StepLock."""
        import sqlalchemy

        with suppress(sqlalchemy.exc.SQLAlchemyError):
            self._say("select pg_advisory_unlock(:key)")
            return
        self._drop()

    def held(self) -> bool:
        """See StepLock."""
        import sqlalchemy

        with suppress(sqlalchemy.exc.SQLAlchemyError):
            # The connection that took it still answers, so the server has it still.
            self._say("select :key")
            return True
        return False

    def _acquire(self) -> None:
        try:
            if self._connection is None:
                self._connection = self._engine.connect()
            self._say("select pg_advisory_lock(:key)")
        except BaseException:
            self._drop()
            raise

    def _say(self, text: str) -> None:
        import sqlalchemy

        if self._connection is None:
            raise sqlalchemy.exc.InvalidRequestError("the connection is gone")
        self._connection.execute(sqlalchemy.text(text), {"key": self._key})

    def _drop(self) -> None:
        import sqlalchemy

        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlalchemy.exc.SQLAlchemyError):
                # Closed for good: a lock that it may have got goes with it.
                connection.invalidate()
                connection.close()


def lock_of(study: optuna.Study) -> StepLock:
    """The lock of a study; none where one process has the storage to itself."""
    storage: Any = study._storage  # noqa: SLF001 - Optuna has no public way to a study's storage
    if not is_shared(storage):
        return NoLock()
    path = file_of(storage)
    if path is not None:
        return FileLock(str(path))
    return AdvisoryLock(str(storage._backend.url), study.study_name)  # noqa: SLF001
