"""Where the faults happen: storages of every kind, a dashboard that is polled, and the figures."""

from __future__ import annotations

import io
import json
import threading
import time
from pathlib import Path

import pytest

from accel_opt.search.dashboard import Storages, application
from tests.workers import postgres

FIGURES: list[str] = []


@pytest.fixture(scope="session")
def cluster():
    reason = postgres.missing()
    if reason:
        pytest.skip(reason)
    pytest.importorskip("psycopg", reason="psycopg is not installed (accel_opt[postgres])")
    made = postgres.Cluster()
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(params=["journal", "postgresql"])
def storage(request, tmp_path):
    """URL of a storage that workers share."""
    if request.param == "journal":
        return f"journal:///{tmp_path / 'study.log'}"
    return request.getfixturevalue("cluster").url(tmp_path.name.replace("-", "_").lower())


@pytest.fixture
def journal(tmp_path):
    return f"journal:///{tmp_path / 'study.log'}"


@pytest.fixture
def figures(request):
    """Prints a line of figures at the end of the run."""

    def say(**values):
        words = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in values.items())
        FIGURES.append(f"{request.node.name}: {words}")

    return say


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter):
    if FIGURES:
        terminalreporter.section("figures of the faults")
        for line in FIGURES:
            terminalreporter.write_line(line)


class Poller:
    """Asks the dashboard for what a browser asks, ten times a second, in a thread."""

    PATHS = ("/dashboard", "/api/studies", "/api/studies/{id}")

    def __init__(self, url: str, hertz: float = 10.0) -> None:
        self._storages, self._pause_s = Storages(url), 1 / hertz
        self._app = application(self._storages)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self.polls, self.failures = 0, []

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(30)

    def _poll(self):
        turn = 0
        while not self._stop.is_set():
            begun = time.monotonic()
            path = self.PATHS[turn % len(self.PATHS)]
            turn += 1
            try:
                if "{id}" in path:
                    known = json.loads(self.get("/api/studies")[1])["study_summaries"]
                    if not known:
                        continue
                    path = path.format(id=known[0]["study_id"])
                status, body = self.get(path)
                if not status.startswith("200"):
                    self.failures.append(f"{path}: {status} {body[:200]!r}")
            except Exception as error:  # noqa: BLE001 - every kind of failure counts
                self.failures.append(f"{path}: {type(error).__name__}: {error}")
            self.polls += 1
            self._stop.wait(max(0.0, self._pause_s - (time.monotonic() - begun)))

    def get(self, path):
        status = []
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "",
            "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "127.0.0.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(), "wsgi.version": (1, 0),
            "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
        }  # fmt: skip
        chunks = self._app(environ, lambda s, headers, *_: status.append(s))
        body = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        return status[0], body


@pytest.fixture
def poller():
    return Poller


@pytest.fixture
def root():
    return Path(__file__).parents[2]
