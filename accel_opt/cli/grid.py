"""`accel-opt grid`: many searches, one after the other or several at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from accel_opt.cli.output import JsonFlag, QuietFlag, clean, emit_json, emit_table, messages
from accel_opt.cli.search import number_of
from accel_opt.core.errors import InputError

EXAMPLE = "accel-opt grid --models SD1.5 --schedulers DDIM,UniPC --steps 50,25 --dry-run"


def grid(
    studies: Annotated[
        list[Path] | None, typer.Argument(help="study.toml files, or folders that hold one.")
    ] = None,
    models: Annotated[str | None, typer.Option(help="Comma-separated.")] = None,
    schedulers: Annotated[str | None, typer.Option(help="Comma-separated.")] = None,
    steps: Annotated[str | None, typer.Option(help="Comma-separated.")] = None,
    accelerators: Annotated[
        list[str] | None,
        typer.Option(help="One set such as deepcache,tome; give the option again for the next."),
    ] = None,
    max_score_loss: Annotated[str | None, typer.Option(help="As of search.")] = None,
    prompts: Annotated[int | None, typer.Option(help="As of search.")] = None,
    prompts_from: Annotated[str | None, typer.Option(help="As of search.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="As of search.")] = None,
    seed: Annotated[int | None, typer.Option(help="As of search.")] = None,
    trials: Annotated[int | None, typer.Option(help="As of search, for each.")] = None,
    timeout: Annotated[float | None, typer.Option(help="As of search, for each.")] = None,
    device: Annotated[str | None, typer.Option(help="As of search.")] = None,
    dtype: Annotated[str | None, typer.Option(help="As of search.")] = None,
    require_all: Annotated[bool | None, typer.Option("--require-all", help="As of search.")] = None,
    workers: Annotated[int, typer.Option(help="Searches at once, one a GPU.", min=1)] = 1,
    engine: Annotated[
        str, typer.Option(help="Who places them: local, or ray across a cluster.")
    ] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster; auto finds the one that runs.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="A search_params.json into which every result is merged.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Go on with searches that have a result, too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the searches only.")] = False,
    quiet: QuietFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Runs the searches of study.toml files, or of every combination of the lists given.

    A search that has a result is skipped; an interrupted grid goes on where it stopped.
    """
    from accel_opt.cli.main import Answer
    from accel_opt.cli.progress import Progress
    from accel_opt.facade import grid as grids
    from accel_opt.facade.spread import Spread

    options: dict[str, Any] = {
        "prompts": prompts,
        "prompts_from": prompts_from,
        "batch_size": batch_size,
        "seed": seed,
        "trials": trials,
        "timeout": timeout,
        "device": device,
        "dtype": dtype,
        "require_all": require_all,
    }
    options = {name: value for name, value in options.items() if value is not None}
    if max_score_loss is not None:
        options["max_score_loss"] = number_of("max_score_loss", max_score_loss)
    if studies:
        if models or schedulers or steps or accelerators:
            raise InputError("give study.toml files, or --models and the like; not both")
        specs = list(grids.from_files(studies, options))
    else:
        specs = list(
            grids.from_product(
                _split(models, "shapes"),
                _split(schedulers, "DDIM"),
                [_whole(text) for text in _split(steps, "20")],
                accelerators or ["deepcache,tome,tgate"],
                options,
            )
        )
    cells = grids.plan(specs, again=again)
    if dry_run:
        _list(cells, as_json=as_json)
        return
    with Progress(quiet=quiet) as progress:
        how = Spread(workers, engine, ray_address)
        found = grids.run_grid(cells, progress, progress.cell, out, how)
    rows = [_row(result) for result in found]
    skipped = sum(cell.done for cell in cells)
    if as_json:
        emit_json({"skipped": skipped, "searches": rows})
    else:
        emit_table(
            f"{len(rows)} searched, {skipped} had a result",
            ["study", "speedup", "score loss", "setting or reason"],
            [[str(value) for value in row.values()] for row in rows],
        )
    if any(not result.answer.answered for result in found):
        raise Answer


def _list(cells: list[Any], *, as_json: bool) -> None:
    if as_json:
        emit_json([{"study": cell.name, "done": cell.done} for cell in cells])
        return
    todo = sum(not cell.done for cell in cells)
    rows = [[cell.name, "has a result" if cell.done else "to do"] for cell in cells]
    emit_table(f"{len(cells)} searches, {todo} to do", ["study", ""], rows)
    messages().print(clean("nothing was measured; leave --dry-run out to run them"), markup=False)


def _row(result: Any) -> dict[str, Any]:
    best = result.answer.winner
    if best is None:
        why = result.error or result.answer.why
        return {"study": result.cell.name, "speedup": "", "score loss": "", "setting": why}
    return {
        "study": result.cell.name,
        "speedup": round(best.speedup.value, 3),
        "score loss": round(best.score_loss.value, 4),
        "setting": f"{best.config}{'' if result.answer.answered else ' (not confirmed)'}",
    }


def _split(text: str | None, default: str) -> list[str]:
    return [part.strip() for part in (text or default).split(",") if part.strip()]


def _whole(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise InputError(f"--steps {text!r} is no number of steps; type --steps 50,25,20")
    return int(text)
