"""A private PostgreSQL cluster in a temporary folder, on a free port of loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PASSWORD = "hunter2-not-to-be-seen"  # noqa: S105 - of a cluster that lives as long as a test
USER = "searcher"


def programs() -> Path | None:
    """Where initdb and postgres lie; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).parent if on_path else None


def missing() -> str:
    """Why there can be no cluster here; empty when there can."""
    if programs() is None:
        return "PostgreSQL is not installed (apt-get install postgresql)"
    if os.getuid() == 0 and not shutil.which("runuser"):
        return "PostgreSQL does not run as root, and there is no runuser"
    if os.getuid() == 0 and subprocess.call(["id", "-u", "postgres"], stdout=-3, stderr=-3):
        return "PostgreSQL does not run as root, and there is no user postgres"
    return ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """Started and stopped as often as a test likes; its folder goes with it."""

    def __init__(self, connections: int = 100) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="accel_opt-pg-"))
        self.data = self.folder / "data"
        self.port = free_port()
        self._connections = connections
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self._as_user:
            shutil.chown(self.folder, "postgres", "postgres")
        secret = self.folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", str(self.data), "-U", USER, "-A", "scram-sha-256",
            f"--pwfile={secret}", "-E", "UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip

    def url(self, name: str) -> str:
        """URL of a database, made where it is missing."""
        import psycopg

        where = f"host=127.0.0.1 port={self.port} user={USER} password={PASSWORD}"
        with psycopg.connect(f"{where} dbname=postgres", autocommit=True) as connection:
            known = connection.execute(
                "select 1 from pg_database where datname = %s", (name,)
            ).fetchone()
            if not known:
                connection.execute(f'create database "{name}"')
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 "
            f"-c unix_socket_directories={self.folder} -c max_connections={self._connections}"
        )
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.data), "-w", "-l", log, "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", how, "-w", "stop")

    def restart(self, pause_s: float = 1.0, how: str = "fast") -> None:
        self.stop(how)
        time.sleep(pause_s)
        self.start()

    def close(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        folder = programs()
        assert folder is not None
        # pg_ctl's server inherits what it is given, so its output goes to a file, not to a pipe.
        with (self.folder / "said").open("w+") as said:
            command = [*self._as_user, str(folder / program), *arguments]
            done = subprocess.run(
                command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, cwd="/", check=False
            )
            said.seek(0)
            assert done.returncode == 0, f"{program}: {said.read()[-2000:]}"
