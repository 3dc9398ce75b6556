"""`accel-opt report`: one page of a study, or of judged programs."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from accel_opt.cli.output import JsonFlag, clean, emit_json, messages
from accel_opt.core.errors import InputError
from accel_opt.core.files import write_atomically, write_bytes_atomically

EXAMPLE = "accel-opt report --study shapes-DDIMScheduler-20-deepcache+tgate+tome --out report.html"
_FORMATS = {".html": "html", ".htm": "html", ".md": "md", ".json": "json", ".png": "png"}


def report(
    study: Annotated[str | None, typer.Option(help="Name of the study.")] = None,
    results: Annotated[
        Path | None, typer.Option(help="An evaluation_results.json of accel-opt judge.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file; report.html, or report.json of --results.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option(help="Where the study is kept; ./studies by default.")
    ] = None,
    form: Annotated[
        str | None, typer.Option("--format", help="html, md, json or png; told by --out's name.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Writes one self-contained page of a study, or of judged programs.

    With --results, report.json is written, and the page report.html beside it; --format or a
    name for --out asks for one of them only.
    """
    if (study is None) == (results is None):
        raise InputError("give --study NAME, or --results evaluation_results.json")
    if study is not None:
        written = _study(study, storage, out, form)
        document: dict[str, Any] = {"written": written}
    else:
        assert results is not None  # noqa: S101 - asked above
        written, document = _results(results, out, form)
    if as_json:
        emit_json(document | {"written": written})
        return
    for path in written:
        messages().print(clean(f"wrote {path}"), markup=False)


def _study(study: str, storage: str | None, out: Path | None, form: str | None) -> list[Path]:
    from accel_opt.facade.study_report import study_report
    from accel_opt.report import study_document, study_html, study_markdown, study_png

    kind = _kind(out, form, "html")
    path = out or Path(f"report.{kind}")
    made = study_report(study, storage)
    if kind == "png":
        write_bytes_atomically(path, study_png(made))
    elif kind == "json":
        write_atomically(path, _json(study_document(made)))
    else:
        write_atomically(path, study_html(made) if kind == "html" else study_markdown(made))
    return [path]


def _results(
    results: Path, out: Path | None, form: str | None
) -> tuple[list[Path], dict[str, Any]]:
    from accel_opt.report import judged_html, judged_markdown, read_results, report_document

    judged = read_results(results)
    document = report_document(judged)
    now = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC"
    makers = {
        "json": lambda: _json(document),
        "html": lambda: judged_html(judged, results.name, now),
        "md": lambda: judged_markdown(judged, results.name),
    }
    if out is None and form is None:
        paths = {kind: results.with_name(f"report.{kind}") for kind in ("json", "html")}
    else:
        kind = _kind(out, form, "json")
        if kind not in makers:
            raise InputError("judged programs have no png; choose --format html, md or json")
        paths = {kind: out or results.with_name(f"report.{kind}")}
    for kind, path in paths.items():
        write_atomically(path, makers[kind]())
    return list(paths.values()), document


def _kind(out: Path | None, form: str | None, default: str) -> str:
    known = sorted(set(_FORMATS.values()))
    if form is not None:
        if form not in known:
            raise InputError(f"--format {form!r} is unknown; choose {', '.join(known)}")
        return form
    if out is None:
        return default
    kind = _FORMATS.get(out.suffix.lower())
    if kind is None:
        raise InputError(f"--out {out}: its name says no format; add --format {', '.join(known)}")
    return kind


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
