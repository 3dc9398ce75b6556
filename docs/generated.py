"""Parts of pages that come from the program itself; `hooks.py` puts them in at every build."""

import inspect
from collections.abc import Iterable
from typing import Any


def table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; cells are text."""
    lines = [list(head), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def commands() -> str:
    """Every command with its help, as `--help` says it."""
    from accel_opt.cli.main import build

    return "\n\n".join(_command(name, one) for name, one in build().commands.items())


def _command(name: str, command: Any) -> str:
    if hasattr(command, "commands"):
        subs = [_command(f"{name} {sub}", one) for sub, one in command.commands.items()]
        return "\n\n".join([f"## {name}", _text(command.help), *subs])
    depth = "#" * (2 + name.count(" "))
    shown = [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]
    arguments = [p for p in shown if p.param_type_name == "argument"]
    options = [p for p in shown if p.param_type_name == "option"]
    usage = " ".join(
        ["accel-opt", name, *(["[OPTIONS]"] if options else []), *map(_argument, arguments)]
    )
    parts = [f"{depth} {name}", _text(command.help), f"```text\n{usage}\n```"]
    if arguments:
        rows = ((f"`{_argument(p)}`", getattr(p, "help", "") or "") for p in arguments)
        parts.append(table(("argument", ""), rows))
    if options:
        parts.append(table(("option", "value", "", "default"), map(_option, options)))
    example = (command.epilog or "").removeprefix("Example: ")
    if example:
        parts.append(f"```bash\n{example}\n```")
    return "\n\n".join(parts)


def _argument(parameter: Any) -> str:
    name = str(parameter.metavar or parameter.name).upper()
    name += "..." if parameter.nargs == -1 else ""
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any) -> tuple[str, str, str, str]:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    value = "" if parameter.is_flag else _kind(parameter)
    default = parameter.default
    plain = isinstance(default, str | int | float) and not isinstance(default, bool)
    required = "required" if parameter.required else ""
    return names, value, parameter.help or "", str(default) if plain else required


def _kind(parameter: Any) -> str:
    # Typer carries a click of its own, which remembers the annotation.
    kind = parameter.type_descriptor.annotation
    words = {"str": "text", "Path": "path", "int": "integer", "float": "number"}
    word = words.get(getattr(kind, "__name__", ""), "text")
    return f"{word}, repeated" if parameter.multiple else word


def accelerators() -> str:
    """What each accelerator is, takes and was published with, from the registry."""
    from accel_opt.accelerators import registry

    return "\n\n".join(_accelerator(registry.get(name)) for name in registry.names())


def _accelerator(plugin: Any) -> str:
    facts = [f"Source: {_link(plugin.reference)}." if plugin.reference else ""]
    if plugin.requires:
        packages = ", ".join(f"`{name}`" for name in plugin.requires)
        facts.append(f"Programs with this one alone import {packages}.")
    traits = "; ".join(sorted(plugin.traits))
    if traits:
        facts.append(f"For combinations: it {traits}.")
    rows = [
        (f"`{name}`", f"{d.low} .. {d.high}, step {d.step}", _faster(d), d.meaning)
        for name, d in plugin.params.items()
    ]
    parts = [
        f"## {plugin.name}",
        _text(inspect.getdoc(type(plugin))),
        " ".join(fact for fact in facts if fact),
        table(("parameter", "searched", "faster when", ""), rows),
    ]
    presets = [
        f"* {', '.join(f'`{k}={v}`' for k, v in preset.params.items())}: {preset.source}"
        for preset in plugin.presets
    ]
    if presets:
        parts += ["Published settings, tried first:", "\n".join(presets)]
    return "\n\n".join(parts)


def _faster(dim: Any) -> str:
    return "higher" if dim.faster == "up" else "lower"


def _link(reference: str) -> str:
    kind, _, number = reference.partition(":")
    pages = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}
    first = number.split()[0].rstrip(",;") if number.split() else ""
    if kind in pages and first:
        return f"[{reference}]({pages[kind]}{first})"
    return f"<{reference}>" if reference.startswith("https://") else reference


def models() -> str:
    """The models that have a name."""
    from accel_opt.pipelines import MODELS

    rows = [
        (f"`{m.name}`", m.source or "embedded", m.pipeline_class, m.resolution or "", m.note)
        for m in MODELS.values()
    ]
    return table(("name", "source", "pipeline", "pixels", "note"), rows)


def metrics() -> str:
    """The metrics there are."""
    from accel_opt.metrics import get_metric, metric_names

    found = [(name, get_metric(name)) for name in metric_names()]
    rows = [
        (
            f"`{name}`",
            metric.unit,
            "higher" if metric.higher_is_better else "lower",
            metric.loss,
            ", ".join(metric.requires),
            metric.weights,
            _link(metric.reference),
        )
        for name, metric in found
    ]
    return table(("name", "unit", "better", "its loss is", "packages", "weights", "source"), rows)


def study_keys() -> str:
    """The keys of study.toml with their meanings and defaults."""
    import re

    from accel_opt.cli.main import build
    from accel_opt.core.spec import StudySpec

    text = inspect.getdoc(StudySpec) or ""
    said = {p.name: getattr(p, "help", "") for p in build().commands["search"].params}
    said |= re.findall(r"(?m)^ {4}(\w+): (.+(?:\n {8}.+)*)", text)
    rows = []
    for name, field in StudySpec.model_fields.items():
        default = "" if field.is_required() else field.get_default(call_default_factory=True)
        shown = ", ".join(default) if isinstance(default, tuple) else default
        meaning = said.get(name, "")
        rows.append((f"`{name}`", "" if shown in (None, {}) else f"`{shown}`", meaning))
    return table(("key", "default", ""), rows)


def _text(text: str | None) -> str:
    return inspect.cleandoc(text or "").replace("<", "&lt;")


def _cell(value: Any) -> str:
    return " ".join(str(value).replace("|", r"\|").split())


PARTS = {
    "accelerators": accelerators,
    "commands": commands,
    "metrics": metrics,
    "models": models,
    "study-keys": study_keys,
}
