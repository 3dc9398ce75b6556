"""From what was measured to passed or not."""

from __future__ import annotations

import math

from accel_opt.core.measurement import Limit
from accel_opt.judge.claim import Claim
from accel_opt.judge.errors import ProgramError, Reason
from accel_opt.judge.measuring import Measured, excused
from accel_opt.judge.model import LEEWAY, Outcome, Task


def verdict(task: Task, claim: Claim, found: Measured, scorer: str) -> Outcome:
    """The outcome of a program whose config is the ground truth's and whose images are its own.

    Args:
        task: What it was asked for.
        claim: Its config.
        found: What was measured.
        scorer: Weights behind the scores.
    """
    speedup = found.log_speedup.log_interval()
    loss = found.loss(Limit("clip", task.max_score_loss))
    reason, error = _reason(task, claim, found, speedup.value, loss.value)
    hard = task.difficulty == "hard"
    return Outcome(
        passed=reason is None,
        reason=reason,
        error=error,
        config_match=True,
        speedup=round(speedup.value, 4),
        loss=round(loss.value, 6),
        achievement=min(1.0, round(speedup.value / task.target, 4))
        if hard and reason is None
        else None,
        details=_details(found, scorer)
        | {
            "speedup_interval": _bounds(speedup.low, speedup.high),
            "loss_interval": _bounds(loss.low, loss.high),
        },
        unsteady=_unsteady(found),
    )


def _unsteady(found: Measured) -> bool:
    """Whether it looks faster than its own config, and may be no faster at all."""
    excess = found.log_excess.log_interval()
    return excess.value > LEEWAY and excess.low <= 1


def _reason(
    task: Task, claim: Claim, found: Measured, speedup: float, loss: float
) -> tuple[Reason | None, str]:
    excess = found.log_excess.log_interval()
    if excess.value > LEEWAY:
        text = (
            f"it is {excess.value:.2f} times as fast as the config it shows "
            f"({excess.low:.2f} to {excess.high:.2f}); {LEEWAY:.2f} is the most"
        )
        if _unsteady(found):
            return Reason.UNVERIFIED, f"the times are too unsteady to tell: {text}"
        error = excused(ProgramError(Reason.TAMPERING, text), claim)
        return error.reason, str(error)
    if loss > task.max_score_loss:
        return (
            Reason.QUALITY,
            f"it loses {100 * loss:.2f} % of the score; {100 * task.max_score_loss:g} % is allowed",
        )
    if speedup < task.target and task.difficulty != "hard":
        return Reason.SPEEDUP, f"{speedup:.2f}x; {task.target:g}x is asked for"
    if claim.excuses:
        shown = "; ".join(claim.excuses)
        return Reason.UNVERIFIED, f"it shows what cannot be repeated: {shown}"
    return None, ""


def _details(found: Measured, scorer: str) -> dict[str, object]:
    base, fast = found.scores
    base_score, fast_score = math.fsum(base) / len(base), math.fsum(fast) / len(fast)
    base_s, fast_s = found.seconds
    replay = Measured(rounds=found.replayed).log_speedup.log_interval()
    return {
        "accuracy": round(fast_score / base_score, 6) if base_score > 0 else None,
        "baseline_time": round(base_s, 6),
        "accelerated_time": round(fast_s, 6),
        "baseline_score": round(base_score, 4),
        "accelerated_score": round(fast_score, 4),
        "replay_speedup": round(replay.value, 4),
        "agreement_db": round(min(found.agreement_db), 2),
        "prompts": len(base),
        "scorer": scorer,
    }


def _bounds(low: float, high: float) -> list[float | None]:
    return [round(value, 6) if math.isfinite(value) else None for value in (low, high)]
