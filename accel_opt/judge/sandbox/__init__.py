"""Running programs that nobody vouches for.

`run` starts one, waits and returns what it did; `SandboxedProcess` keeps one alive and talks to
it in JSON lines; `images` opens the files that it leaves. SECURITY.md says what each level holds.
"""

from __future__ import annotations

from accel_opt.judge.sandbox.channel import ChannelClosedError, ChannelError, ChannelTimeoutError
from accel_opt.judge.sandbox.levels import LEVELS, available_levels, choose_level
from accel_opt.judge.sandbox.oneshot import run
from accel_opt.judge.sandbox.policy import (
    Ended,
    Enforced,
    Level,
    Limits,
    Policy,
    Result,
    SandboxError,
    SandboxUnavailableError,
    Usage,
)
from accel_opt.judge.sandbox.process import SandboxedProcess

__all__ = [
    "LEVELS",
    "ChannelClosedError",
    "ChannelError",
    "ChannelTimeoutError",
    "Ended",
    "Enforced",
    "Level",
    "Limits",
    "Policy",
    "Result",
    "SandboxError",
    "SandboxUnavailableError",
    "SandboxedProcess",
    "Usage",
    "available_levels",
    "choose_level",
    "run",
]
