"""optuna-dashboard over studies of ours: true about feasibility, with images, for reading."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, BinaryIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from accel_opt.core.errors import AccelOptError, InputError, UnknownNameError
from accel_opt.search.artifacts import folder_of, is_image
from accel_opt.search.read import databases
from accel_opt.search.storage import open_storage, url_of

if TYPE_CHECKING:
    import optuna

LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
_READING = ("GET", "HEAD")
_REFUSED = "the dashboard of accel_opt is for reading; only notes can be written, on this machine"
_App = Callable[..., Iterable[bytes]]


class Storages:
    """The storages of a URL, or of every database below ./studies; opened once, kept in place."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self.many = url is None
        self._lock = threading.Lock()
        self._open: dict[str, optuna.storages.BaseStorage] = {}

    def __call__(self) -> list[optuna.storages.BaseStorage]:
        """All of them, new ones last."""
        import optuna

        with self._lock:
            urls = [self._url] if self._url else [url_of(path) for path in databases()]
            for url in urls:
                if url not in self._open:
                    # Of many files one may be no database; of the one asked for, that is said.
                    with suppress(*((AccelOptError,) if self.many else ())):
                        self._open[url] = optuna.storages.get_storage(open_storage(url))
            return list(self._open.values())


class Artifacts:
    """Images of every study of some storages, as one store for reading."""

    def __init__(self, storages: Storages) -> None:
        self._storages = storages
        self._last: Path | None = None

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The file of an id.

        Raises:
            ArtifactNotFound: No study has it.
        """
        from optuna.artifacts.exceptions import ArtifactNotFound

        try:
            known = str(uuid.UUID(artifact_id)) == artifact_id
        except ValueError:
            known = False
        for folder in self._folders() if known else ():
            path = folder / artifact_id
            if is_image(path):
                self._last = folder
                return path.open("rb")
        raise ArtifactNotFound(artifact_id)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Not here: searches write."""
        raise NotImplementedError

    def remove(self, artifact_id: str) -> None:
        """Not here either."""
        raise NotImplementedError

    def _folders(self) -> Iterator[Path]:
        import optuna

        # The next image is likely to be of the same study as the last one.
        if self._last is not None:
            yield self._last
        for storage in self._storages():
            for name in optuna.study.get_all_study_names(storage):
                folder = folder_of(optuna.load_study(study_name=name, storage=storage))
                if folder is not None:
                    yield folder


def application(storages: Storages, host: str = "127.0.0.1") -> _App:
    """The dashboard as a WSGI application.

    Args:
        storages: What is shown.
        host: Address it will listen on; away from loopback nothing can be written at all.
    """
    from optuna_dashboard import wsgi

    from accel_opt.search.storage_view import StorageView

    _only_feasible_fronts()
    view = StorageView(storages, many=storages.many)
    return guarded(wsgi(view, artifact_store=Artifacts(storages)), host)


def _only_feasible_fronts() -> None:
    """Makes the dashboard's "best trials" of two objectives the front of what may win.

    It takes the front of all trials, and a storage cannot say otherwise.
    """
    from optuna_dashboard import _app as stock

    front_of = stock.get_pareto_front_trials
    if getattr(front_of, "only_feasible", False):
        return

    def feasible_front(trials: Sequence[Any], directions: Sequence[Any]) -> Any:
        return front_of([trial for trial in trials if _may_win(trial)], directions)

    feasible_front.only_feasible = True  # type: ignore[attr-defined]
    stock.get_pareto_front_trials = feasible_front


def _may_win(trial: optuna.trial.FrozenTrial) -> bool:
    """Whether a trial, as the view shows it, is feasible and fully measured."""
    outcome = str(trial.user_attrs.get("outcome", "full"))
    return outcome.startswith("full") and all(v <= 0 for v in trial.constraints.values())


def guarded(app: _App, host: str) -> _App:
    """Refuses what changes studies, and pages of other sites that pose as this machine.

    There is no authentication. A site in the same browser can give its own name this machine's
    address and then read along; its requests still carry its name.
    """
    local = host in LOOPBACK

    def checked(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        name = str(environ.get("HTTP_HOST", "")).rpartition(":")[0] or environ.get("HTTP_HOST", "")
        if local and name not in LOOPBACK:
            return _refuse(start_response, f"unknown host {str(name)[:80]!r}")
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        note = local and method == "PUT" and path.endswith("/note")
        if method not in _READING and not note:
            return _refuse(start_response, _REFUSED)
        return app(environ, _guarded_headers(start_response))

    return checked


def _guarded_headers(start_response: Any) -> Any:
    """Images stay images, and no page of another site may read what is answered."""

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        kept = [pair for pair in headers if pair[0].lower() != "access-control-allow-origin"]
        return start_response(status, [*kept, ("X-Content-Type-Options", "nosniff")], *rest)

    return start


def _refuse(start_response: Any, reason: str) -> Iterable[bytes]:
    start_response("403 Forbidden", [("Content-Type", "application/json")])
    return [json.dumps({"reason": reason}).encode()]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Says nothing of single requests."""


def server(storages: Storages, host: str, port: int) -> WSGIServer:
    """A server that is bound and listens; `serve_forever` serves.

    Raises:
        InputError: There is no study yet, or the address cannot be had.
    """
    if not storages():
        raise InputError(
            "no database of studies below ./studies; give --storage, or run a search first"
        )
    try:
        return make_server(
            host, port, application(storages, host), server_class=_Server, handler_class=_Quiet
        )
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port"
        ) from None


def study_path(storages: Storages, name: str | None) -> str:
    """Path of a study's page; of the list of studies without a name.

    Raises:
        UnknownNameError: No such study.
    """
    from accel_opt.search.storage_view import StorageView

    if name is None:
        return "/dashboard"
    view = StorageView(storages, many=storages.many)
    try:
        return f"/dashboard/studies/{view.get_study_id_from_name(name)}"
    except KeyError:
        known = [study.study_name for study in view.get_all_studies()]
        raise UnknownNameError("study", name, known, "See: accel-opt show studies") from None
