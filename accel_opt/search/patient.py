"""A database server that is restarted in mid-search: operations wait for it and go on.

Each of Optuna's operations is one transaction, so one that found the server gone is done again.
Two of them could then have happened already, unheard: a trial that was made twice is found and
closed by its lease (`sharing`), and one that is finished already counts as told.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, TypeVar

import optuna
import sqlalchemy.exc
from optuna.storages import RDBStorage

T = TypeVar("T")

# A server that comes back later than this is taken for gone.
PATIENCE_S = 120.0
_SLOWEST_S = 2.0
# SQLSTATE classes: connection failure, and the server being shut down or started.
_GONE = ("08", "57P")
# Somebody else made the same table at the same moment: it is there the next time.
_RACED = ("23505", "42P07")

_OPERATIONS = (
    "create_new_study",
    "_create_new_trial",
    "get_all_studies",
    "get_all_trials",
    "get_study_directions",
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_system_attrs",
    "get_study_user_attrs",
    "get_trial",
    "_get_trials",
    "set_study_system_attr",
    "set_study_user_attr",
    "set_trial_state_values",
    "set_trial_system_attr",
    "set_trial_user_attr",
)


def connection_lost(error: BaseException) -> bool:
    """Whether an error says that the server is away, rather than that it refuses."""
    return _has_state(error, _GONE)


def raced(error: BaseException) -> bool:
    """Whether two workers made the same tables at once."""
    return _has_state(error, _RACED, unknown=False)


def _has_state(error: BaseException, states: tuple[str, ...], *, unknown: bool = True) -> bool:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, sqlalchemy.exc.DBAPIError):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return False
    state = getattr(cause.orig, "sqlstate", None)
    if state is not None:
        return bool(state.startswith(states))
    lost = cause.connection_invalidated or isinstance(cause, sqlalchemy.exc.OperationalError)
    return unknown and lost


def patiently(
    operation: Callable[[], T],
    patience_s: float = PATIENCE_S,
    passing: Callable[[BaseException], bool] = connection_lost,
) -> T:
    """What `operation` returns, tried again while the server is away.

    Args:
        operation: What to do.
        patience_s: Seconds after which it is given up.
        passing: Says of an error whether to try again.

    Raises:
        SQLAlchemyError: It stayed away, or refused.
        StorageInternalError: The same, as Optuna says it.
    """
    deadline, wait_s = time.monotonic() + patience_s, 0.05
    while True:
        try:
            return operation()
        except (
            sqlalchemy.exc.SQLAlchemyError,
            optuna.exceptions.StorageInternalError,
        ) as error:
            if not passing(error) or time.monotonic() + wait_s > deadline:
                raise
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, _SLOWEST_S)


class PatientStorage(RDBStorage):
    """Optuna's RDB storage whose operations outlive a restart of the server."""


def _patient(name: str) -> Callable[..., Any]:
    plain = getattr(RDBStorage, name)

    @functools.wraps(plain)
    def method(self: PatientStorage, *args: Any, **kwargs: Any) -> Any:
        tries = 0

        def once() -> Any:
            nonlocal tries
            tries += 1
            try:
                return plain(self, *args, **kwargs)
            except optuna.exceptions.UpdateFinishedTrialError:
                if tries > 1 and name == "set_trial_state_values":
                    return True
                raise

        return patiently(once)

    return method


for _name in _OPERATIONS:
    setattr(PatientStorage, _name, _patient(_name))
