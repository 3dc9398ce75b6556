"""JSON lines over two pipes, with limits that the parent owns."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Mapping
from typing import Any, NoReturn

from accel_opt.judge.sandbox.policy import SandboxError


class ChannelError(SandboxError):
    """What came over the channel is not a line of JSON within the limits."""


class ChannelTimeoutError(ChannelError):
    """Nothing complete came, or nothing was taken, in time."""


class ChannelClosedError(ChannelError):
    """The other end is closed: the program has ended, or has closed its end."""


class Channel:
    """The parent's end. Every line must be one JSON object.

    Args:
        incoming: Descriptor to read from.
        outgoing: Descriptor to write to.
        line_bytes: Longest line that is taken.
    """

    def __init__(self, incoming: int, outgoing: int, line_bytes: int = 1 << 20) -> None:
        self._incoming, self._outgoing, self._line_bytes = incoming, outgoing, line_bytes
        self._held = bytearray()
        self._broken = ""
        for handle in (incoming, outgoing):
            os.set_blocking(handle, False)

    def send(self, message: Mapping[str, Any], timeout_s: float = 10.0) -> None:
        """Sends one object.

        Raises:
            ChannelTimeoutError: The program does not read.
            ChannelClosedError: The program has ended.
        """
        self._require_whole()
        left = memoryview(json.dumps(message, allow_nan=False).encode() + b"\n")
        deadline = time.monotonic() + timeout_s
        while left:
            pause = max(deadline - time.monotonic(), 0)
            if not select.select([], [self._outgoing], [], pause)[1]:
                self._break(ChannelTimeoutError(f"not read within {timeout_s:g} s"))
            try:
                left = left[os.write(self._outgoing, left) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                self._break(ChannelClosedError("the program has closed the channel"))

    def receive(self, timeout_s: float) -> dict[str, Any]:
        """Waits for one object.

        Raises:
            ChannelTimeoutError: No complete line came in time; a later call may get it.
            ChannelClosedError: The program has ended or closed the channel.
            ChannelError: The line is too long or no JSON object; nothing more is taken.
        """
        self._require_whole()
        deadline = time.monotonic() + timeout_s
        while (end := self._held.find(b"\n")) < 0:
            if len(self._held) > self._line_bytes:
                self._break(ChannelError(f"a line longer than {self._line_bytes} bytes"))
            pause = max(deadline - time.monotonic(), 0)
            if not select.select([self._incoming], [], [], pause)[0]:
                raise ChannelTimeoutError(f"no answer within {timeout_s:g} s")
            try:
                chunk = os.read(self._incoming, 1 << 16)
            except BlockingIOError:
                continue
            if not chunk:
                raise ChannelClosedError("the program has ended or closed the channel")
            self._held += chunk
        line = bytes(self._held[:end])
        del self._held[: end + 1]
        return self._parsed(line)

    def close(self) -> None:
        """Closes both ends."""
        for handle in {self._incoming, self._outgoing} - {-1}:
            os.close(handle)
        self._incoming = self._outgoing = -1

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            if len(line) > self._line_bytes:
                raise ValueError("too long")  # noqa: TRY301 - one exit for all that is wrong
            found: object = json.loads(line.decode(), parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            self._break(ChannelError(f"not a line of JSON: {line[:60]!r} ({error})"))
        if not isinstance(found, dict):
            self._break(ChannelError(f"not a JSON object: {line[:60]!r}"))
        return found

    def _break(self, error: ChannelError) -> NoReturn:
        self._broken = str(error)
        raise error

    def _require_whole(self) -> None:
        if self._incoming < 0:
            raise ChannelClosedError("the channel is closed")
        if self._broken:
            raise ChannelError(f"the channel broke before: {self._broken}")


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number")
