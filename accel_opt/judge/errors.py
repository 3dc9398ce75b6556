"""Why a program did not pass."""

from __future__ import annotations

from enum import StrEnum

from accel_opt.core.errors import AccelOptError


class Reason(StrEnum):
    """The words of `failure_reason`."""

    CONFIG_MISMATCH = "config_mismatch"
    QUALITY = "quality_threshold_exceeded"
    SPEEDUP = "speedup_target_not_met"
    MISSING = "missing_required_information"
    EVALUATION_ERROR = "evaluation_error"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    TAMPERING = "tampering"
    UNVERIFIED = "unverified"
    OUTPUT_INVALID = "output_invalid"


class ProgramError(AccelOptError):
    """The judging of one program ends here.

    Args:
        reason: Why.
        text: In words, for a person.
    """

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
