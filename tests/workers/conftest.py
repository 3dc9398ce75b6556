"""Storages that workers share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workers import postgres


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
def root():
    return Path(__file__).parents[2]
