"""Passwords in URLs of databases: opened with, never shown and never kept."""

from __future__ import annotations

import re

# A password may hold any character but the last "@" before the host; queries may name it too.
_IN_FRONT = re.compile(r"(://[^:/@?#]*):(.*)@(?=[^@]*$)", re.DOTALL)
_IN_QUERY = re.compile(r"([?&](?:password|passwd|sslpassword|pwd)=)[^&#]*", re.IGNORECASE)


def masked(url: str) -> str:
    """The URL with stars for its password, for messages and logs."""
    return _IN_QUERY.sub(r"\1***", _IN_FRONT.sub(r"\1:***@", url))


def without_password(url: str) -> str:
    """The URL without its password: what is kept in a study, and what a command line shows.

    PostgreSQL's clients read the password from PGPASSWORD or from ~/.pgpass.
    """
    bare, mark, query = _IN_FRONT.sub(r"\1@", url).partition("?")
    kept = [part for part in query.split("&") if not _IN_QUERY.match(f"?{part}")]
    return bare + (mark + "&".join(kept) if any(kept) else "")
