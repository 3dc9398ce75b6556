"""A task: what a text asks for, and the text of what is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from accel_opt.core.dims import Number
from accel_opt.core.errors import InputError
from accel_opt.pipelines.schedulers import scheduler_class_name
from accel_opt.results.missing import Wanted
from accel_opt.tasks.names import listed

OPEN: Literal["{}"] = "{}"
DEFAULT_LOSS = 0.02


@dataclass(frozen=True)
class Task:
    """What a task text asks for.

    Attributes:
        model: Catalogue name or hub id.
        sampler: Nickname or class name, as texts write it.
        steps: Number of steps.
        accelerators: Accelerators to use, sorted; empty when the text leaves them open.
        speedup: Required speedup; `"{}"` where a text holds the place for one; None without.
        precision_loss: Allowed loss that the text states; None when it states none.
        platform: Platform to accelerate for; "" when the text names none.
        form: "baseline" texts take a pipeline as the baseline, "generate" ones make one.
    """

    model: str = "SD1.5"
    sampler: str = "DDIM"
    steps: int = 20
    accelerators: tuple[str, ...] = ()
    speedup: Number | Literal["{}"] | None = None
    precision_loss: float | None = None
    platform: str = ""
    form: Literal["baseline", "generate"] = "generate"

    def __post_init__(self) -> None:
        object.__setattr__(self, "accelerators", tuple(sorted(set(self.accelerators))))
        if self.steps < 1:
            raise InputError(f"steps={self.steps}: a pipeline takes at least 1 step, such as 20")
        if isinstance(self.speedup, int | float) and not 0 < self.speedup < float("inf"):
            raise InputError(f"speedup={self.speedup}: give a number above 0, such as 2.5x speedup")
        if self.precision_loss is not None and not 0 <= self.precision_loss < 1:
            raise InputError(
                f"precision loss {self.precision_loss} is no fraction below 1; write 0.02 or 2%"
            )

    @property
    def scheduler(self) -> str:
        """Class name of the scheduler."""
        return scheduler_class_name(self.sampler)

    @property
    def max_score_loss(self) -> float:
        """Allowed score loss: what the text states, else 0.02."""
        return DEFAULT_LOSS if self.precision_loss is None else self.precision_loss

    @property
    def wanted(self) -> Wanted:
        """The entry that answers the task; without a number that is the upper bound."""
        return Wanted(
            self.model,
            self.scheduler,
            self.steps,
            self.speedup if isinstance(self.speedup, int | float) else None,
            self.max_score_loss,
            active=self.accelerators or None,
            label=render(self),
            fastest=self.speedup == OPEN,
        )


def render(task: Task) -> str:
    """The text of a task; parsing it gives the task again."""
    if task.form == "baseline":
        text = (
            f"Take {article(task.model)} {task.model} pipeline ({task.sampler}, {task.steps} "
            f"steps) as the baseline{_accelerated(task)}"
        )
        if task.speedup is not None:
            text += f", and achieve a {task.speedup}x speedup"
        return text + _loss(task)
    text = (
        f"Generate a {task.model} pipeline using the {task.sampler} sampler with {task.steps} "
        f"steps{_accelerated(task)}"
    )
    if task.speedup is not None:
        text += f"{'' if _accelerated(task) else ', accelerated'} with {task.speedup}x speedup"
    return text + _loss(task)


def article(word: str) -> str:
    """`an` before a vowel or a letter that sounds like one (an SD1.5), else `a`."""
    if word[:1].isupper() and word[1:2].isupper():  # spelled out: S-D, L-C-M
        return "an" if word[0] in "AEFHILMNORSX" else "a"
    return "an" if word[:1].lower() in "aeio" else "a"


def _accelerated(task: Task) -> str:
    by = f" by {listed(task.accelerators)}" if task.accelerators else ""
    on = f" for {task.platform}" if task.platform else ""
    return f", accelerated{by}{on}" if by or on else ""


def _loss(task: Task) -> str:
    if task.precision_loss is None:
        return ""
    return f" and precision loss not exceeding {task.precision_loss}"
