"""`accel-opt missing`: configs without an entry, and the searches that fill them."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accel_opt.cli.output import JsonFlag, clean, emit_json, messages, results
from accel_opt.core.errors import InputError

if TYPE_CHECKING:
    from accel_opt.core.spec import StudySpec
    from accel_opt.results import Gap, Wanted

EXAMPLE = "accel-opt missing --params search_params.json --tasks tasks.py --script fill.sh"


def missing(
    params: Annotated[Path, typer.Option(help="The search_params.json.")],
    tasks: Annotated[
        Path | None, typer.Option(help="Task list: .py, .json or .txt, or an annotation file.")
    ] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="The 27 configs of the baselines instead.")
    ] = False,
    target_sets: Annotated[
        bool, typer.Option("--target-sets", help="With --grid: each of the six target sets.")
    ] = False,
    script: Annotated[
        Path | None, typer.Option(help="Write the searches as a shell script.")
    ] = None,
    run: Annotated[bool, typer.Option("--run", help="Run the searches now.")] = False,
    trials: Annotated[int | None, typer.Option(help="With --run: as of search.")] = None,
    timeout: Annotated[float | None, typer.Option(help="With --run: as of search.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Lists what a task list or the grid needs and the file lacks. Exit status 1 when it does."""
    from accel_opt.cli.main import Answer
    from accel_opt.core.files import write_atomically
    from accel_opt.results import missing as find_missing

    wanted = _wanted(tasks, grid=grid, target_sets=target_sets)
    gaps = find_missing(params, wanted)
    if script is not None:
        write_atomically(script, _script(gaps, params))
        script.chmod(0o755)
        messages().print(f"wrote {clean(str(script))}: sh {shlex.quote(str(script))}", markup=False)
    if run and gaps:
        _run(gaps, params, trials, timeout)
        gaps = find_missing(params, wanted)
    _show(gaps, len(wanted), as_json=as_json)
    if gaps:
        raise Answer


def _wanted(tasks: Path | None, *, grid: bool, target_sets: bool) -> list[Wanted]:
    from accel_opt import results as room
    from accel_opt.tasks import parse, read_tasks

    if (tasks is None) == (not grid):
        raise InputError("give --tasks FILE, or --grid, to say what is needed")
    if tasks is not None:
        return [replace(parse(text).wanted, label=text) for text in read_tasks(tasks)]
    return room.grid(targets=room.GRID_TARGETS) if target_sets else room.grid()


def _spec(gap: Gap, **options: Any) -> StudySpec:
    from accel_opt.core.spec import make_spec

    key = gap.wanted.key
    options = {name: value for name, value in options.items() if value is not None}
    if key.targets:
        options |= {"accelerators": key.targets, "require_all": gap.wanted.require_all}
    return make_spec(
        model=key.model,
        scheduler=key.scheduler,
        steps=key.steps,
        speedup=key.speedup,
        max_score_loss=key.max_score_loss,
        **options,
    )


def _script(gaps: list[Gap], params: Path) -> str:
    from accel_opt.search.defaults import resolved

    lines: dict[str, None] = {}
    for gap in gaps:
        study = str(resolved(_spec(gap), named=True)[0].study)
        export = ["accel-opt", "export", "--study", study, "--out", str(params)]
        lines[f"{shlex.join(gap.command)} && {shlex.join(export)} || status=1"] = None
    return "\n".join(["#!/bin/sh", "status=0", *lines, "exit $status"]) + "\n"


def _run(gaps: list[Gap], params: Path, trials: int | None, timeout: float | None) -> None:
    from accel_opt.cli.progress import Progress
    from accel_opt.facade import grid as grids

    distinct = {gap.command: gap for gap in gaps}.values()
    specs = [_spec(gap, trials=trials, timeout=timeout) for gap in distinct]
    cells = grids.plan(specs, again=True)
    with Progress() as progress:
        for result in grids.run_grid(cells, progress, progress.cell, params):
            if result.error:
                messages().print(clean(f"{result.cell.name}: {result.error}"), markup=False)


def _show(gaps: list[Gap], n_wanted: int, *, as_json: bool) -> None:
    if as_json:
        emit_json(
            {
                "wanted": n_wanted,
                "missing": [
                    {
                        "task": gap.wanted.label or None,
                        "key": str(gap.wanted.key),
                        "why": gap.why,
                        "command": shlex.join(gap.command),
                    }
                    for gap in gaps
                ],
            }
        )
        return
    lines = [f"{len(gaps)} of {n_wanted} have no entry{':' if gaps else ''}"]
    for gap in gaps:
        lines += [gap.wanted.label or str(gap.wanted.key), f"    {shlex.join(gap.command)}"]
    for line in lines:
        results().print(clean(line), markup=False, soft_wrap=True)
