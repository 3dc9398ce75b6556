"""Many searches, one after the other or at once; what has a result already is skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from accel_opt import results
from accel_opt.core.errors import InputError
from accel_opt.core.events import OnEvent, ignore
from accel_opt.core.spec import StudySpec, make_spec, read_toml
from accel_opt.facade.cell import Answer
from accel_opt.facade.cell import answer as run_one
from accel_opt.facade.spread import Spread, spread
from accel_opt.search.defaults import resolved


@dataclass(frozen=True)
class Cell:
    """One search of a grid.

    Attributes:
        spec: What is asked, unresolved.
        name: Name of its study.
        params: Where its result stands, or will stand.
        done: Whether it has a result.
    """

    spec: StudySpec
    name: str
    params: Path
    done: bool


@dataclass(frozen=True)
class CellResult:
    """What became of a cell."""

    cell: Cell
    answer: Answer

    @property
    def error(self) -> str:
        """Why there is no answer; empty when there is."""
        return self.answer.error


def from_files(paths: Iterable[Path], options: dict[str, Any]) -> Iterator[StudySpec]:
    """Specs of study.toml files, or of folders that hold one.

    Raises:
        InputError: A file is missing, or says something that is not allowed.
    """
    for path in paths:
        file = path / "study.toml" if path.is_dir() else path
        try:
            yield make_spec(**(read_toml(file) | options))
        except InputError as error:
            raise InputError(f"{file}: {error}") from None


def from_product(
    models: Iterable[str],
    schedulers: Iterable[str],
    steps: Iterable[int],
    accelerators: Iterable[str],
    options: dict[str, Any],
) -> Iterator[StudySpec]:
    """Specs of every combination: target sets outermost, then models, schedulers, steps."""
    for targets, model, scheduler, count in product(accelerators, models, schedulers, steps):
        yield make_spec(
            **options, model=model, scheduler=scheduler, steps=count, accelerators=targets
        )


def plan(specs: Iterable[StudySpec], *, again: bool = False) -> list[Cell]:
    """The cells of a grid, each once, with whether they are done.

    Raises:
        InputError: A name is unknown, or two cells would share a study.
    """
    cells: dict[str, Cell] = {}
    for spec in specs:
        full, _ = resolved(spec, named=True)
        name, params = str(full.study), Path(full.out or ".") / "search_params.json"
        if name in cells and cells[name].spec != spec:
            raise InputError(f"two searches of the grid are called {name!r}; name them with study")
        done = not again and params.exists() and _has_result(params, full)
        cells[name] = Cell(spec, name, params, done)
    return list(cells.values())


def run_grid(
    cells: Iterable[Cell],
    on_event: OnEvent = ignore,
    on_cell: Callable[[Cell, int, int], None] | None = None,
    collect: Path | None = None,
    how: Spread | None = None,
) -> list[CellResult]:
    """Runs the cells that are not done; one that fails does not end the others.

    Args:
        cells: What `plan` made.
        on_event: Told of every step of every search that runs in this process.
        on_cell: Told before each cell: the cell, its place from 1, how many there are.
        collect: A search_params.json into which every result is merged as well.
        how: How many run at once, and who places them; None runs one after the other here.

    Raises:
        InputError: There are too few devices for so many at once.
    """
    todo = [cell for cell in cells if not cell.done]
    found: dict[int, CellResult] = {}

    def began(number: int) -> None:
        if on_cell is not None:
            on_cell(todo[number], number + 1, len(todo))

    for number, answer in _answers(todo, on_event, began, how or Spread()):
        found[number] = CellResult(todo[number], answer)
        if collect is not None and answer.params is not None:
            merge_into(collect, answer.params)
    return [found[number] for number in sorted(found)]


def _answers(
    todo: list[Cell], on_event: OnEvent, began: Callable[[int], None], how: Spread
) -> Iterator[tuple[int, Answer]]:
    if not how.alone:
        # Elsewhere the current folder may be another.
        specs = [
            cell.spec.model_copy(update={"out": cell.params.parent.resolve()}) for cell in todo
        ]
        yield from spread(specs, how, began)
        return
    for number, cell in enumerate(todo):
        began(number)
        yield number, run_one(cell.spec, on_event)


def merge_into(collect: Path, params: Path) -> None:
    """Merges the primary entries of one file into another."""
    results.merge(collect, results.primary_entries(results.read(params)))


def _has_result(params: Path, spec: StudySpec) -> bool:
    file = results.read(params)
    return any(
        entry.key.model == spec.model
        and entry.key.scheduler == spec.scheduler
        and entry.key.steps == spec.steps
        and entry.key.targets == spec.targets
        and entry.key.max_score_loss == spec.max_score_loss
        and _reaches(entry, spec)
        for entry in file.entries.values()
    )


def _reaches(entry: results.Entry, spec: StudySpec) -> bool:
    """Whether an entry answers what a spec asks of the speed."""
    if spec.latency is not None:
        return entry.seconds is not None and entry.seconds <= spec.latency
    return entry.key.speedup == spec.speedup
