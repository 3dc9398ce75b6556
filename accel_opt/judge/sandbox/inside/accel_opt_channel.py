"""The program's end of the channel.

In a folder of its own that is put on the program's path: nothing else of ours is needed inside.
"""  # noqa: INP001

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

# Where the stage puts the channel; see stage/lockdown.py.
INCOMING, OUTGOING = 3, 4


class Client:
    """Takes and sends JSON objects, one a line."""

    def __init__(self) -> None:
        # Opened apart from stdin and stdout, which belong to the program.
        self._incoming = os.fdopen(INCOMING, "rb", closefd=False)
        self._outgoing = os.fdopen(OUTGOING, "wb", closefd=False)

    def receive(self) -> dict[str, Any] | None:
        """The next object; None when the parent has closed the channel."""
        line = self._incoming.readline()
        if not line:
            return None
        found: dict[str, Any] = json.loads(line)
        return found

    def send(self, message: Mapping[str, Any]) -> None:
        """Sends one object."""
        self._outgoing.write(json.dumps(message).encode() + b"\n")
        self._outgoing.flush()
