"""What the members of a stack amount to together, given in order of application."""

from __future__ import annotations

from collections.abc import Sequence

from accel_opt.accelerators.base import Accelerator, CodeLines, source_of
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.accelerators.work import Denoiser, plain_work
from accel_opt.core.config import Config
from accel_opt.core.errors import InputError
from accel_opt.core.run import RunInfo

_IMPORTS = (
    "from __future__ import annotations",
    "import functools",
    "from collections.abc import Callable, Iterable, Iterator",
    "from typing import Any",
    "import torch",
)


def barriers_of(members: Sequence[Accelerator], config: Config, run: RunInfo) -> frozenset[int]:
    """Calls at which some member wants every cache across steps to be filled anew."""
    return frozenset(call for m in members for call in m.barriers(config[m.name], run))


def composed_work(
    members: Sequence[Accelerator], config: Config, run: RunInfo, denoiser: Denoiser
) -> float:
    """FLOPs of the denoiser in one image's run."""
    barriers = barriers_of(members, config, run)
    table = plain_work(denoiser, run.steps, guided=run.guided, barriers=barriers)
    for member in members:
        table = member.work(config[member.name], run, table)
    return table.total


def hook_lines(members: Sequence[Accelerator], config: Config, run: RunInfo) -> CodeLines:
    """The lines of a program that carries the members' hooks.

    Raises:
        InputError: A member has no source to carry.
    """
    definitions, setup = [source_of(LiveRun)], []
    for member in members:
        source, line = member.hook_source(), member.hook_line(config[member.name])
        if source is None or line is None:
            raise InputError(
                f"{member.name} has no hook source that a program could carry; "
                "export it alone, or with accelerators that have"
            )
        definitions.append(source)
        setup.append(line)
    barriers = sorted(barriers_of(members, config, run))
    return CodeLines(
        imports=_IMPORTS,
        definitions="\n\n".join(definitions),
        setup=(f"run = LiveRun(pipe, barriers={barriers})", *setup, "run.start()"),
    )
