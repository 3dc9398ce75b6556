"""The parent's side of one process that generates images: its clock, its limits."""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from accel_opt.judge.errors import ProgramError, Reason
from accel_opt.judge.sandbox import (
    ChannelClosedError,
    ChannelError,
    ChannelTimeoutError,
    Ended,
    Policy,
    Result,
    SandboxedProcess,
)
from accel_opt.judge.sandbox.images import ImageLimits, OutputInvalidError, read_images
from accel_opt.measure.images import Images

_ENDED = {
    Ended.WALL_TIME: (Reason.TIMEOUT, "it ran past the time limit"),
    Ended.MEMORY: (Reason.OUT_OF_MEMORY, "it took more memory than is allowed"),
    Ended.TASKS: (Reason.EVALUATION_ERROR, "it started more processes than are allowed"),
    Ended.DISK: (Reason.EVALUATION_ERROR, "it wrote more files than are allowed"),
    Ended.OUTPUT: (Reason.EVALUATION_ERROR, "it printed more than is allowed"),
}
# Past its wall-clock limit a sandbox ends by itself; this only bounds the wait for it.
_PATIENCE_S = 10.0


class Partner:
    """A process in a sandbox that answers requests and leaves images as files.

    Args:
        role: "guest" runs a program that nobody vouches for, "trusted" our own code.
        policy: What it may do and see.
        source: The program of a guest.
        answer_s: Seconds for one answer; the policy's wall-clock limit by default.

    Attributes:
        path: Its own folder.
        broken: Whether it no longer answers.
    """

    def __init__(
        self,
        role: Literal["guest", "trusted"],
        policy: Policy,
        source: bytes = b"",
        answer_s: float | None = None,
    ) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="judged-")).resolve()
        self.broken = False
        if role == "guest":
            (self.path / "program.py").write_bytes(source)
        command = [sys.executable, "-P", "-m", "accel_opt.judge.inside", role]
        self._trusted = role == "trusted"
        self._limit_s = policy.limits.wall_s if answer_s is None else answer_s
        self.process = SandboxedProcess(command, self.path, policy)

    def __enter__(self) -> Self:
        try:
            self.process.start()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> Result:
        """Ends the process with all its descendants."""
        try:
            return self.process.kill()
        finally:
            self._remove()

    def ask(self, what: str, **fields: Any) -> dict[str, Any]:
        """Sends a request and waits for its answer.

        Raises:
            ProgramError: The process failed, ended, or said something else.
        """
        # Nobody can answer a request that was not made yet.
        number = secrets.token_hex(8)
        try:
            self.process.send({"do": what, "id": number, **fields}, timeout_s=self._limit_s)
            answer = self.process.receive(self._limit_s + _PATIENCE_S)
        except (ChannelClosedError, ChannelTimeoutError):
            self.broken = True
            raise self._end() from None
        except ChannelError as error:
            self.broken = True
            raise ProgramError(Reason.TAMPERING, f"it used the judge's channel: {error}") from None
        if answer.get("id") != number:
            raise ProgramError(
                Reason.TAMPERING, "it sent answers of its own over the judge's channel"
            )
        if "failed" in answer:
            memory = answer.get("out_of_memory") is True
            reason = Reason.OUT_OF_MEMORY if memory else Reason.EVALUATION_ERROR
            said = str(answer["failed"])[:4000].replace(f"{self.path}/", "")
            raise ProgramError(reason, said)
        return answer

    def generate(
        self, prompts: Sequence[str], seed: int, chunks: Sequence[int]
    ) -> tuple[float, Images]:
        """Has images generated.

        Args:
            prompts: N prompts.
            seed: Seed of the first call.
            chunks: Prompts of each call; a program takes its own.

        Returns:
            Seconds until every image lay here, and the images `(N, H, W, 3)`.

        Raises:
            ProgramError: As `ask`, or the images are not as many images of one size.
        """
        stem = secrets.token_hex(4)
        names = [f"{stem}-{number}.npy" for number in range(len(prompts))]
        limits = ImageLimits(count=len(prompts))
        fields: dict[str, Any] = {"prompts": list(prompts), "seed": seed, "stem": stem}
        if self._trusted:
            fields["chunks"] = list(chunks)
        start = time.perf_counter()
        answer = self.ask("generate", **fields)
        if answer.get("count") != len(prompts):
            text = f"{answer.get('count')!r} images for {len(prompts)} prompts"
            raise ProgramError(Reason.OUTPUT_INVALID, text[:200])
        try:
            images = read_images(self.path, names, limits)
            # Read before the clock stops: what is not there by now was not made.
            seconds = time.perf_counter() - start
        except OutputInvalidError as error:
            raise ProgramError(Reason.OUTPUT_INVALID, str(error)) from None
        if len({image.shape for image in images}) != 1 or images[0].dtype != np.uint8:
            raise ProgramError(Reason.OUTPUT_INVALID, "images of several sizes or kinds")
        return seconds, np.stack(images)

    def _remove(self) -> None:
        # Not shutil.rmtree: folders may lie so deep that Python's recursion ends before them.
        subprocess.run(["rm", "-rf", "--", str(self.path)], check=False, capture_output=True)

    def _end(self) -> ProgramError:
        """Why a process that no longer answers has ended."""
        try:
            result = self.process.wait(1.0)
        except TimeoutError:
            result = self.process.kill()
        if result.ended is Ended.EXIT:
            said = result.stderr[-600:].decode(errors="replace").strip()
            text = f"it ended with status {result.exit_code} before it had answered. {said}"
            return ProgramError(Reason.EVALUATION_ERROR, text.strip())
        if result.ended is Ended.KILLED:
            if self._trusted or result.usage.wall_s >= self._limit_s - 1:
                return ProgramError(*_ENDED[Ended.WALL_TIME])
            return ProgramError(Reason.EVALUATION_ERROR, "it closed the channel and ran on")
        usual = (Reason.EVALUATION_ERROR, f"its sandbox ended: {result.ended}")
        return ProgramError(*_ENDED.get(result.ended, usual))
