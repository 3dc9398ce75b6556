"""`accel-opt generate`: programs from entries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accel_opt.cli.output import JsonFlag, clean, emit_json, messages
from accel_opt.core.errors import InputError

if TYPE_CHECKING:
    from accel_opt.codegen import Program
    from accel_opt.results import ParamsFile

EXAMPLE = "accel-opt generate --params search_params.json --tasks tasks.py --out programs"


def generate(
    params: Annotated[Path, typer.Option(help="The search_params.json.")],
    out: Annotated[Path, typer.Option(help="Folder for the programs.")],
    task: Annotated[str | None, typer.Option(help="One task text.")] = None,
    tasks: Annotated[Path | None, typer.Option(help="Task list: .py, .json or .txt.")] = None,
    key: Annotated[str | None, typer.Option(help="A key of the file, to the letter.")] = None,
    style: Annotated[
        str, typer.Option(help="standalone (public packages only) or library (accel_opt).")
    ] = "standalone",
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Take entries with other targets, threshold or speedup, too."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Hub id or folder to load instead.")] = None,
    device: Annotated[str | None, typer.Option(help="The program's; it chooses else.")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, float16 or bfloat16.")] = None,
    resolution: Annotated[int | None, typer.Option(help="Pixels of height and width.")] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="As measured by default.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="Same for every prompt.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Prompts per call.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of each batch.")] = 42,
    cache_dir: Annotated[str | None, typer.Option(help="Where hub files are kept.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Writes a runnable program for each task that has an entry: three for a text with {}.

    Tasks without an entry are listed, and end with exit status 1; the others are written.
    """
    from accel_opt import results
    from accel_opt.cli.main import Answer
    from accel_opt.core.files import write_atomically

    if sum(given is not None for given in (task, tasks, key)) != 1:
        raise InputError("give one of --task TEXT, --tasks FILE and --key KEY")
    options = {
        "model": model,
        "device": device,
        "dtype": dtype,
        "resolution": resolution,
        "guidance_scale": guidance_scale,
        "negative_prompt": negative_prompt,
        "batch_size": batch_size,
        "cache_dir": cache_dir,
    }
    options = {name: value for name, value in options.items() if value is not None}
    file = results.read(params)
    made = _Made(file, style, {**options, "seed": seed}, _loosenings(allow))
    if key is not None:
        made.by_key(key)
    else:
        made.by_tasks(_texts(task, tasks))
    for program in made.programs.values():
        write_atomically(out / program.file_name, program.source)
        source = made.sources[program.file_name]
        messages().print(clean(f"wrote {out / program.file_name} from {source}"), markup=False)
    for text, why in made.missing.items():
        messages().print(clean(f"no entry for {text}: {why}"), markup=False)
    if as_json:
        written = [str(out / name) for name in made.programs]
        sources = {str(out / name): source for name, source in made.sources.items()}
        emit_json({"written": written, "from": sources, "missing": made.missing})
    if made.missing:
        messages().print(
            f"{len(made.missing)} without an entry; accel-opt missing lists the searches",
            markup=False,
        )
        raise Answer


class _Made:
    """Programs and the keys they come from, by file name, and the tasks without an entry."""

    def __init__(
        self, file: ParamsFile, style: str, options: dict[str, Any], allow: tuple[str, ...]
    ) -> None:
        self.file, self.style, self.options, self.allow = file, style, options, allow
        self.programs: dict[str, Program] = {}
        self.sources: dict[str, str] = {}
        self.missing: dict[str, str] = {}

    def by_key(self, text: str) -> None:
        from accel_opt.codegen import Program, generate_code
        from accel_opt.core.files import file_name
        from accel_opt.results import parse_key

        wanted = parse_key(text)
        found = self.file.find(wanted)
        if found is None:
            if text in self.file.unread:
                raise InputError(f"{self.file.path}: {self.file.unread[text]}")
            from accel_opt.results import MissingEntryError

            raise MissingEntryError(self.file, wanted)
        key, entry = found[1].key, found[1]
        parts = [key.model, key.scheduler, str(key.steps), "+".join(entry.search_targets)]
        parts += [] if key.speedup is None else [f"{key.speedup}x"]
        name = f"{file_name('_'.join(parts))}.py"
        self.programs[name] = Program(name, generate_code(entry, self._style, **self.options))
        self.sources[name] = found[0]

    def by_tasks(self, texts: list[str]) -> None:
        from accel_opt.codegen import programs_for
        from accel_opt.tasks import parse

        for text in texts:
            wanted = parse(text).wanted
            try:
                found = wanted.find(self.file, self.allow)  # type: ignore[arg-type]
                made = programs_for(text, found, wanted.speedup, self._style, **self.options)
            except InputError as error:
                self.missing[text] = str(error)
                continue
            for program in made:
                self.programs[program.file_name] = program
                self.sources[program.file_name] = f"{found.key}{found.how and f' ({found.how})'}"

    @property
    def _style(self) -> Any:
        return self.style


def _texts(task: str | None, tasks: Path | None) -> list[str]:
    from accel_opt.tasks import read_tasks

    return [task] if task is not None else read_tasks(tasks) if tasks is not None else []


def _loosenings(allow: list[str] | None) -> tuple[str, ...]:
    from accel_opt.core.errors import UnknownNameError

    names = [part.strip() for text in allow or [] for part in text.split(",")]
    for name in names:
        if name not in ("targets", "threshold", "speedup"):
            raise UnknownNameError("--allow", name, ("speedup", "targets", "threshold"))
    return tuple(names)
