"""From an entry of search_params.json to the program that applies it."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import Any, Literal

from accel_opt.accelerators import stack
from accel_opt.accelerators.base import CodeLines
from accel_opt.codegen.check import check_program
from accel_opt.codegen.imports import import_lines
from accel_opt.codegen.model import ModelSource, model_source, run_of
from accel_opt.codegen.options import ProgramOptions
from accel_opt.codegen.pruning import pruned
from accel_opt.codegen.source import Source, constant, docstring, identifier, render
from accel_opt.core.config import Config
from accel_opt.core.errors import InputError
from accel_opt.core.program import target_line
from accel_opt.core.run import Refusal, RunInfo
from accel_opt.results import Entry, Found

Style = Literal["standalone", "library"]
_DEVICE = '"cuda" if torch.cuda.is_available() else "cpu"'
# What checkers would not find out by themselves.
_ANNOTATIONS = {"CONFIG": "dict[str, dict[str, float]]"}
_FRAME = ("import sys", "from pathlib import Path", "from typing import Any", "import torch")


def generate_code(
    entry: Entry | Found,
    style: Style = "standalone",
    *,
    target: float | None = None,
    task: str = "",
    options: ProgramOptions | None = None,
    **more: Any,
) -> str:
    """The source of a program that applies an entry.

    It defines `load_pipe()`, which returns the accelerated pipeline, `inference(pipe, prompts)`,
    which returns the images, and saves images when it is run.

    Args:
        entry: What was found.
        style: "standalone" imports only the public packages, and carries our hooks' source where
            several accelerators meet; "library" uses `accel_opt.apply`.
        target: Speedup that the program is to reach; its docstring holds it against what was
            found.
        task: Task text that it answers, for the docstring.
        options: How it runs.
        more: Fields of `ProgramOptions`, given singly.

    Raises:
        InputError: A parameter is missing or of another type, a value makes no sense, or an
            accelerator has no source for programs of this style.
    """
    entry = entry.entry if isinstance(entry, Found) else entry
    chosen = options if options is not None else _options(more)
    model = model_source(chosen.model or entry.key.model, entry.provenance or {})
    chosen = chosen.completed(entry, model)
    if style not in ("standalone", "library"):
        raise InputError(f"style={style!r}: choose standalone or library")
    run = run_of(model, entry.key.scheduler, entry.key.steps, float(chosen.guidance_scale or 0))
    config = _parsed(entry.config)
    lines = CodeLines() if style == "library" else stack.code(config, run)
    if model.info.pipeline.startswith("PixArt"):
        # Cleaning changes the texts, and only where two more packages are installed.
        arguments = {**(lines.call_arguments or {}), "clean_caption": False}
        lines = replace(lines, call_arguments=arguments | dict(model.call_arguments))
    by_us = model.embedded or style == "library"
    constants = _constants(entry, chosen, model, by_us=by_us)
    if style == "library":
        constants["CONFIG"] = config.to_dict()
    try:
        source = _render(
            lines,
            docstring(_paragraphs(entry, run, target, task)),
            constants,
            [] if by_us else _choices(model, chosen),
            _loading(model, entry, chosen, style=style),
        )
    except SyntaxError as error:
        names = ", ".join(config.accelerators)
        raise InputError(
            f"the lines that {names} gave for the program are no Python: {error}"
        ) from None
    check_program(source, constants, _packages(lines, model, style))
    return source


def _options(more: dict[str, Any]) -> ProgramOptions:
    unknown = sorted(set(more) - set(asdict(ProgramOptions())))
    if unknown:
        known = ", ".join(asdict(ProgramOptions()))
        raise InputError(f"unknown option {unknown[0]!r} of a program; it takes {known}")
    if more.get("prompts") is not None:
        more = more | {"prompts": tuple(more["prompts"])}
    return ProgramOptions(**more)


def _parsed(config: Config) -> Config:
    """The config with every parameter there, and of its type."""
    members = stack.order(config)
    return Config({member.name: member.parse(config[member.name]) for member in members})


def _constants(
    entry: Entry, options: ProgramOptions, model: ModelSource, *, by_us: bool
) -> dict[str, Any]:
    """Values by the name of their constant; our own loader takes precisions by name."""
    constants = {
        "MODEL": model.source,
        "CACHE_DIR": options.cache_dir,
        "REVISION": options.revision,
        "VARIANT": options.variant,
        "STEPS": entry.key.steps,
        "GUIDANCE_SCALE": options.guidance_scale,
        "NEGATIVE_PROMPT": options.negative_prompt,
        "RESOLUTION": options.resolution,
        "BATCH_SIZE": options.batch_size,
        "SEED": options.seed,
        "PROMPTS": list(options.prompts or ()),
        "DEVICE": options.device,
        "DTYPE": options.dtype if by_us else None,
    }
    return {name: value for name, value in constants.items() if value is not None}


def _choices(model: ModelSource, options: ProgramOptions) -> list[Source]:
    """The lines that choose device and precision when the program runs."""
    lines = [] if options.device else [Source(f"DEVICE = {_DEVICE}")]
    if options.dtype is not None:
        return [*lines, Source(f"DTYPE = torch.{identifier(options.dtype)}")]
    half = identifier(model.half)
    return [*lines, Source(f'DTYPE = torch.float32 if DEVICE == "cpu" else torch.{half}')]


def _loading(
    model: ModelSource, entry: Entry, options: ProgramOptions, *, style: Style
) -> tuple[list[str], list[Source]]:
    """Import lines, and the lines that give the plain `pipe` on its device."""
    scheduler = identifier(entry.key.scheduler, "[A-Z][A-Za-z0-9]*Scheduler")
    given = ("cache_dir", "revision", "variant")
    files = [f"{name}={name.upper()}" for name in given if getattr(options, name) is not None]
    if style == "library" or model.embedded:
        arguments = ["MODEL", f'scheduler="{scheduler}"', *files]
        arguments += ["device=DEVICE"] if options.device is not None else []
        arguments += ["dtype=DTYPE"] if options.dtype is not None else []
        lines = _call("load_pipeline", arguments)
        names = "load_pipeline"
        if style == "library":
            names = "apply, load_pipeline"
            lines.append(Source("apply(pipe, CONFIG)"))
        return [f"from accel_opt import {names}"], lines
    pipeline = identifier(model.pipeline_class)
    arguments = ["MODEL", "torch_dtype=DTYPE", *files]
    arguments += ["safety_checker=None"] if pipeline == "StableDiffusionPipeline" else []
    arguments += ["add_watermarker=False"] if pipeline == "StableDiffusionXLPipeline" else []
    lines = _call(f"{pipeline}.from_pretrained", arguments)
    lines.append(Source(f"pipe.scheduler = {scheduler}.from_config(pipe.scheduler.config)"))
    if pipeline == "DiffusionPipeline":
        lines.append(Source('if getattr(pipe, "safety_checker", None) is not None:'))
        lines.append(Source("    pipe.safety_checker = None"))
    lines.append(Source("pipe = pipe.to(DEVICE)"))
    return [f"from diffusers import {scheduler}, {pipeline}"], lines


def _call(function: str, arguments: list[str]) -> list[Source]:
    inner = [Source(f"    {argument},") for argument in arguments]
    return [Source(f"pipe: Any = {function}("), *inner, Source(")")]


def _render(
    lines: CodeLines,
    text: Source,
    constants: dict[str, Any],
    head: list[Source],
    loading: tuple[list[str], list[Source]],
) -> str:
    imports, load = loading
    arguments = dict(lines.call_arguments or {})
    call_arguments = [
        constant(name, value).replace(" = ", "=", 1) for name, value in arguments.items()
    ]
    if "NEGATIVE_PROMPT" in constants:
        call_arguments.append("negative_prompt=[NEGATIVE_PROMPT] * len(batch)")
    if "RESOLUTION" in constants:
        call_arguments += ["height=RESOLUTION", "width=RESOLUTION"]
    fixed = [constant(*pair, _ANNOTATIONS.get(pair[0], "")) for pair in constants.items()]
    values: dict[str, Any] = {
        "docstring": text,
        "constants": Source("\n".join([*fixed, *head])),
        "definitions": _definitions(lines),
        "returns": _returns(lines.call),
        "load": [*load, *map(Source, lines.setup)],
        "before_call": [Source(line) for line in lines.before_call],
        "call": Source(lines.call),
        "call_arguments": [Source(f"{line},") for line in call_arguments],
    }
    body = render("program.py.jinja", imports=Source(""), **values)
    found = import_lines([*_FRAME, *imports, *lines.imports], body)
    return render("program.py.jinja", imports=Source(found), **values)


def _returns(call: str) -> Source:
    if call == "pipe":
        return Source("Returns the accelerated pipeline.")
    return Source(f"Returns the pipeline; `{call}` is its accelerated call, as `inference` uses.")


def _definitions(lines: CodeLines) -> list[Source]:
    source = pruned(lines.definitions, [*lines.setup, *lines.before_call, lines.call])
    parts = re.split(r"\n{3,}", source.strip("\n")) if source.strip() else []
    return [Source(part.strip("\n")) for part in parts]


def _packages(lines: CodeLines, model: ModelSource, style: Style) -> tuple[str, ...]:
    ours = ("accel_opt",) if model.embedded or style == "library" else ()
    own = {re.sub(r"^(?:from|import)\s+(\w+).*", r"\1", line) for line in lines.imports}
    return ("torch", "diffusers", *sorted({*own, *lines.packages} - {"accel_opt"}), *ours)


def _paragraphs(entry: Entry, run: RunInfo, target: float | None, task: str) -> list[str]:
    key = entry.key
    first = f"{key.model}, {key.scheduler}, {key.steps} steps: {entry.config}."
    facts = [target_line(target if target is not None else entry.speedup, entry.speedup)]
    loss = "not recorded" if entry.score_loss is None else f"{100 * entry.score_loss:.2f} %"
    facts.append(f"Score loss: {loss}; allowed: {100 * key.max_score_loss:g} %")
    if entry.seconds is not None:
        facts.append(f"Seconds per prompt when it was measured: {entry.seconds:.4g}")
    where = entry.provenance or {}
    if isinstance(where.get("device"), str):
        facts.append(f"Measured on: {where['device']}, {where.get('dtype')}")
    form = stack.canonical(entry.config, run)
    if isinstance(form, Refusal):
        facts.append(f"Warning: {form.reason}")
    return [first, *([f"Task: {task}"] if task else []), "\n".join(facts)]
