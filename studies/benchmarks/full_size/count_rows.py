"""Rows that are counted: ratios of FLOPs, and plugin beside package, on the `meta` device."""

from collections.abc import Iterator
from typing import Any

from accel_opt.accelerators import stack
from accel_opt.core.config import Config
from accel_opt.core.run import RunInfo

import cases  # isort: skip
from by_hand import by_hand, can  # isort: skip
from counted import counted  # isort: skip

WITHIN = 0.02
_FEW = 3


def row_of(model: str, steps: int, setting: Config | str) -> dict[str, Any]:
    """What every row begins with."""
    return {"model": model, "steps": steps, "setting": str(setting)}


def flop_rows(model: str, pipe: Any) -> list[dict[str, Any]]:
    """Every setting's ratio of FLOPs; the batch size does not change it."""
    rows = []
    for steps in cases.STEPS:
        run = stack.run_info(pipe, steps, cases.GUIDANCE)
        for config in cases.settings(model, pipe, run):
            if cases.BY_NUMBERS.isdisjoint(config):
                flops = 1 / stack.relative_work(config, run, pipe)
                rows.append(row_of(model, steps, config) | {"flops": round(flops, 3)})
    return rows


def known_rows(model: str, pipe: Any) -> list[dict[str, Any]]:
    """Ratios that were counted independently, beside ours."""
    rows = []
    for known in cases.KNOWN[model]:
        for steps, expected in ((25, known.at_25), (50, known.at_50)):
            if expected is not None:
                run = RunInfo(steps, cases.GUIDANCE, model=stack.model_info(pipe))
                config = Config(known.config)
                found = 1 / stack.relative_work(config, run, pipe)
                row = row_of(model, steps, config) | {"flops": round(found, 3), "known": expected}
                rows.append(row | {"ok": abs(found / expected - 1) <= WITHIN})
    return rows


def compared(model: str, pipe: Any, run: RunInfo) -> list[Config]:
    """Every preset that a package can do alone."""
    return [c for c in cases.settings(model, pipe, run) if can(c, pipe)]


def package_rows(
    model: str, pipe: Any, steps: int, configs: list[Config]
) -> Iterator[dict[str, Any]]:
    """Whole runs of the plugin and of the package used by hand, counted module by module."""
    run = stack.run_info(pipe, steps, cases.GUIDANCE)
    plain, few = counted(pipe, pipe, steps), counted(pipe, pipe, _FEW)
    for config in configs:
        with stack.applied(pipe, config) as call:
            ours = counted(call, pipe, steps)
        with by_hand(pipe, config) as call:
            theirs = counted(call, pipe, steps)
        row = row_of(model, steps, config)
        row |= {"plugin": ours.total, "package": theirs.total, "plain": plain.total}
        row |= {"plugin_calls": ours.n_calls, "package_calls": theirs.n_calls}
        row["composed"] = round(1 / stack.relative_work(config, run, pipe), 4)
        same = {"same_flops": ours.flops == theirs.flops, "same_calls": ours.calls == theirs.calls}
        yield row | same | {"ok": all(same.values())}
    if counted(pipe, pipe, _FEW) != few:
        raise AssertionError(f"{model}: the plain pipeline has changed")
