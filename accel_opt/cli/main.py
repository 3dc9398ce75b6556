"""`accel-opt`: the door, its exit codes, and the words for what went wrong.

0 done; 1 done, and the answer is no; 2 bad input; 70 internal error; 130 and 143 interrupted
and terminated, state saved.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer

from accel_opt import __version__
from accel_opt.cli import interrupts
from accel_opt.cli.output import clean, emit_json, messages
from accel_opt.core.errors import AccelOptError, InputError
from accel_opt.core.secrets import without_password

app = typer.Typer(
    name="accel-opt",
    help="Finds the fastest safe settings of training-free accelerators for diffusion pipelines.",
    epilog="Example: accel-opt search --model SD1.5 --scheduler DDIM --steps 50",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Command name and the function that is it; each module holds one command.
_COMMANDS = {
    "search": "accel_opt.cli.search:search",
    "grid": "accel_opt.cli.grid:grid",
    "worker": "accel_opt.cli.worker:worker",
    "show": "accel_opt.cli.show:show",
    "confirm": "accel_opt.cli.confirm:confirm",
    "dashboard": "accel_opt.cli.dashboard:dashboard",
    "report": "accel_opt.cli.report:report",
    "export": "accel_opt.cli.export:export",
    "import": "accel_opt.cli.import_:import_results",
    "generate": "accel_opt.cli.generate:generate",
    "summary": "accel_opt.cli.summary:summary",
    "missing": "accel_opt.cli.missing:missing",
    "tasks": "accel_opt.cli.tasks:tasks",
    "annotate": "accel_opt.cli.annotate:annotate",
    "derive-gen": "accel_opt.cli.derive_gen:derive_gen",
    "compare": "accel_opt.cli.compare:compare",
    "judge": "accel_opt.cli.judge:judge",
    "doctor": "accel_opt.cli.doctor:doctor",
}
_INTERRUPTED = 130
# typer carries its own click; the base of its usage errors is reached through a public subclass.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]


class Answer(typer.Exit):
    """Ends a command with status 1: done, and the answer is no."""

    def __init__(self) -> None:
        super().__init__(1)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)  # noqa: T201
        raise typer.Exit


@app.callback()
def _door(
    version: bool = typer.Option(
        False,
        "--version",
        help="Print the version and stop.",
        callback=_print_version,
        is_eager=True,
    ),
) -> None:
    del version


def build() -> Any:
    """The command group, every command in it."""
    for name, where in _COMMANDS.items():
        module, _, attribute = where.partition(":")
        function: Callable[..., Any] = getattr(import_module(module), attribute)
        if isinstance(function, typer.Typer):
            app.add_typer(function, name=name)
        else:
            example = getattr(import_module(module), "EXAMPLE", "")
            app.command(name, epilog=f"Example: {example}" if example else None)(function)
    _COMMANDS.clear()
    return typer.main.get_command(app)


def main(argv: list[str] | None = None) -> None:
    """Runs one command and exits with its status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments or bool(os.environ.get("ACCEL_OPT_DEBUG"))
    arguments = [a for a in arguments if a != "--debug"]
    sys.exit(_run(arguments, debug=debug))


def _run(arguments: list[str], *, debug: bool) -> int:  # noqa: PLR0911 - one per kind of end
    as_json = "--json" in arguments
    _quiet_packages()
    interrupts.listen()
    try:
        status = build().main(args=arguments, prog_name="accel-opt", standalone_mode=False)
    except InputError as error:
        return _fail(2, str(error), as_json=as_json)
    except _UsageError as error:
        return _fail(2, _usage(error, arguments), as_json=as_json)
    except AccelOptError as error:
        return _fail(1, str(error), as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        status = _INTERRUPTED
    except BrokenPipeError:
        return 141
    except Exception as error:
        if debug:
            raise
        text = f"internal error: {type(error).__name__}: {error} (--debug shows the traceback)"
        return _fail(70, text, as_json=as_json)
    # Typer makes a status of an interruption before it comes here.
    if status == _INTERRUPTED:
        status = 128 + (interrupts.asked() or signal.SIGINT)
        again = _same_again(arguments)
        text = "interrupted; what was told is saved"
        return _fail(status, f"{text}; go on: {again}" if again else text, as_json=as_json)
    return int(status or 0)


def _same_again(arguments: list[str]) -> str:
    """The line that goes on with an interrupted command, passwords left out; "" for most."""
    if not {"search", "grid", "worker", "confirm", "judge"} & set(arguments[:1]):
        return ""
    kept = [a for a in arguments if a not in ("--again", "--overwrite")]
    return shlex.join(["accel-opt", *map(without_password, kept)])


def _usage(error: Any, arguments: list[str]) -> str:
    """What is wrong with a command line, the value that was typed included."""
    text = str(error.format_message())
    for option in getattr(getattr(error, "param", None), "opts", ()):
        if option in arguments[:-1]:
            return f"{option} {arguments[arguments.index(option) + 1]!r}: {text}"
    return text


def _quiet_packages() -> None:
    """Keeps other packages' advice off the terminal; the library itself changes no filter."""
    import warnings

    for package in ("TRANSFORMERS", "DIFFUSERS"):
        os.environ.setdefault(f"{package}_VERBOSITY", "error")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def _fail(status: int, text: str, *, as_json: bool) -> int:
    line = clean(" ".join(text.split()))
    messages().print(f"accel-opt: {line}", markup=False)
    if as_json:
        emit_json({"error": line, "status": status})
    return status


if __name__ == "__main__":
    main()
