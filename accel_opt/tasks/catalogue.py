"""Catalogues of task texts: the 27 baselines and the five categories.

The texts of category IV are those of the scripts that this replaces, to the letter; the texts of
I, II, III and V are this project's own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from accel_opt.core.errors import UnknownNameError
from accel_opt.tasks.task import OPEN, Task, render

MODELS = ("SD1.5", "SD2.1", "SDXL")
BASELINE_SAMPLERS = ("DDIM", "DPM-Solver++", "UniPC")
SAMPLERS = ("DDIM", "DPM-Solver++", "UniPCMultistepScheduler")
SINGLE = (("deepcache",), ("tgate",), ("tome",))
COMBINED = (
    ("deepcache", "tome"),
    ("deepcache", "tgate"),
    ("tgate", "tome"),
    ("deepcache", "tgate", "tome"),
)
STATED = (*SINGLE, ("deepcache", "tome"), ("deepcache", "tgate"), ("deepcache", "tgate", "tome"))
STATED_SPEEDUPS = (1.2, 1.5, 1.8, 2.0, 2.5, 3.0, 4.0)
PLATFORMS = ("NVIDIA GPUs", "AMD GPUs", "Apple silicon", "Intel CPUs", "Ascend NPUs")
CATEGORIES = ("I", "II", "III", "IV", "V")
FIRST_ID = 192
Format = Literal["anno", "gen"]


def baselines(precision_loss: float | None = None) -> list[str]:
    """The 27 baseline texts, each with the place for a speedup.

    Args:
        precision_loss: Allowed loss to state; None states none.
    """
    return [
        render(Task(model, sampler, steps, (), OPEN, precision_loss, form="baseline"))
        for model, sampler, steps in itertools.product(MODELS, BASELINE_SAMPLERS, (50, 25, 20))
    ]


def catalogue(category: str, precision_loss: float | None = None) -> list[str]:
    """The texts of a category, in a fixed order.

    Args:
        category: "I" plain pipelines; "II" one accelerator; "III" combined accelerators;
            "IV" accelerators with a stated speedup; "V" acceleration for a named platform.
        precision_loss: Allowed loss to state; None states none.

    Raises:
        UnknownNameError: There is no such category.
    """
    makers: dict[str, Callable[[float | None], Iterable[Task]]] = {
        "I": _plain,
        "II": _single,
        "III": _combined,
        "IV": _stated,
        "V": _platforms,
    }
    name = category.strip().upper()
    if name not in makers:
        raise UnknownNameError("category", category, CATEGORIES)
    return [render(task) for task in makers[name](precision_loss)]


def catalogue_entries(
    category: str,
    format: Format = "anno",  # noqa: A002
    first_id: int = FIRST_ID,
    precision_loss: float | None = None,
) -> list[dict[str, Any]]:
    """The texts of a category in the form of annotation or generation files.

    Args:
        category: As for `catalogue`.
        format: "anno" gives `path_to_gt_code`, "gen" `path_to_gen_code`.
        first_id: Number of the first text.
        precision_loss: Allowed loss to state; None states none.
    """
    folder = {"anno": "gt_code", "gen": "gen_code"}.get(format)
    if folder is None:
        raise UnknownNameError("format", format, ("anno", "gen"))
    number = CATEGORIES.index(category.strip().upper()) + 1 if _known(category) else 0
    return [
        {
            "prompt_id": str(prompt_id),
            "category": number,
            "prompt_context": text,
            f"path_to_{folder}": f"{folder}/{prompt_id}.py",
        }
        for prompt_id, text in enumerate(catalogue(category, precision_loss), start=first_id)
    ]


def _known(category: str) -> bool:
    return category.strip().upper() in CATEGORIES


def _configs() -> Iterator[tuple[str, str, int]]:
    return itertools.product(MODELS, SAMPLERS, (20, 25, 50))


def _plain(loss: float | None) -> Iterator[Task]:
    return (Task(*config, precision_loss=loss) for config in _configs())


def _single(loss: float | None) -> Iterator[Task]:
    pairs = itertools.product(_configs(), SINGLE)
    return (Task(*config, names, None, loss) for config, names in pairs)


def _combined(loss: float | None) -> Iterator[Task]:
    pairs = itertools.product(_configs(), COMBINED)
    return (Task(*config, names, None, loss) for config, names in pairs)


def _stated(loss: float | None) -> Iterator[Task]:
    triples = itertools.product(_configs(), STATED, STATED_SPEEDUPS)
    return (Task(*config, names, x, loss) for config, names, x in triples)


def _platforms(loss: float | None) -> Iterator[Task]:
    pairs = itertools.product(_configs(), PLATFORMS)
    return (
        Task(*config, precision_loss=loss, platform=platform, speedup=OPEN)
        for config, platform in pairs
    )
