"""Tasks, conditions and outcomes of judging: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from accel_opt.core.errors import InputError
from accel_opt.judge.errors import Reason
from accel_opt.judge.sandbox import Level

Difficulty = Literal["easy", "medium", "hard"]
DIFFICULTIES: tuple[Difficulty, ...] = ("easy", "medium", "hard")

# What the old evaluator took where a task's text names no speedup.
USUAL_TARGET = 10.0
USUAL_LOSS = 0.02
# The measured speedup may exceed that of the same config in our own code by this much.
LEEWAY = 1.10


@dataclass(frozen=True)
class Task:
    """One program beside what it is held against.

    Attributes:
        prompt_id: The task's id.
        difficulty: "easy", "medium" or "hard".
        context: The task's text.
        gt_path: The ground-truth program as the annotation file names it; "" without.
        gen_path: The program as the generation file names it; "" without.
        gt_file: The former's file; None when there is none.
        gen_file: The latter's file; None when there is none.
        target: Speedup asked for.
        target_named: Whether the text names it.
        max_score_loss: Greatest relative loss of the CLIP score allowed.
    """

    prompt_id: str
    difficulty: Difficulty
    context: str
    gt_path: str
    gen_path: str
    gt_file: Path | None
    gen_file: Path | None
    target: float
    target_named: bool
    max_score_loss: float


@dataclass(frozen=True)
class Conditions:
    """How programs are judged.

    Attributes:
        prompts: Prompts that every program is measured on.
        batch_size: Prompts handed over at once.
        prompts_from: Source of prompts; None takes the model's own.
        scorer: CLIP checkpoint; None takes the model's own.
        timeout_s: Wall-clock seconds of one program, measuring the others beside it included.
        memory_mib: Memory of one program.
        level: Sandbox; None takes the strongest that works.
        allow_unsandboxed: Whether no sandbox at all may be taken.
        readable: Folders shown to programs beside Python and the model cache.
        devices: One worker runs on each.
        samples: Images of each task kept beside the results.
    """

    prompts: int = 32
    batch_size: int = 4
    prompts_from: str | None = None
    scorer: str | None = None
    timeout_s: float = 1800.0
    memory_mib: int = 32768
    level: Level | None = None
    allow_unsandboxed: bool = False
    readable: tuple[Path, ...] = ()
    devices: tuple[str, ...] = ("",)
    samples: int = 2

    def __post_init__(self) -> None:
        for name, least in (("prompts", 2), ("batch_size", 1), ("memory_mib", 64)):
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)}: at least {least} is needed")
        if not 0 < self.timeout_s < float("inf"):
            raise InputError(f"timeout={self.timeout_s}: seconds above 0 are needed")


@dataclass(frozen=True)
class Outcome:
    """What became of one program.

    Attributes:
        passed: Whether it passed.
        reason: Why not; None when it passed.
        error: In words; "" when there is nothing to say.
        config_match: Whether its config is the ground truth's; None when it was not found.
        speedup: Speedup measured; None without.
        loss: Relative loss of the CLIP score; None without.
        achievement: min(1, speedup / target) of a passed hard task, else None.
        details: What else was measured.
        about: Sandbox, digests, versions: what the result was made under.
        unsteady: Whether the times were too unsteady for a verdict.
    """

    passed: bool = False
    reason: Reason | None = None
    error: str = ""
    config_match: bool | None = None
    speedup: float | None = None
    loss: float | None = None
    achievement: float | None = None
    details: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    unsteady: bool = False
