"""`accel-opt show`: tables of what there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from accel_opt.cli.output import JsonFlag, emit_json, emit_table
from accel_opt.core.errors import UnknownNameError

EXAMPLE = "accel-opt show accelerators"


def show(
    what: Annotated[
        str, typer.Argument(help="studies, trials, importance, accelerators, models or metrics")
    ],
    study: Annotated[
        str | None, typer.Option(help="Name of the study (for trials and importance).")
    ] = None,
    storage: Annotated[str | None, typer.Option(help="Where the studies are kept.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Shows tables of studies, trials, what matters, accelerators, models or metrics.

    `show trials` ends with the table that `show importance` is: how much of the difference
    between settings each parameter explains, for speed and for the loss.
    """
    tables: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "accelerators": _accelerators,
        "models": _models,
        "metrics": _metrics,
        "studies": lambda: _studies(storage),
        "trials": lambda: _trials(study, storage),
        "importance": lambda: _importance(study, storage),
    }
    if what not in tables:
        raise UnknownNameError("table", what, tables)
    rows = tables[what]()
    if as_json:
        emit_json(rows)
    else:
        _print(what, rows)
        if what == "trials" and any(row["outcome"] != "foreign" for row in rows):
            _print("importance", _importance(study, storage))


def _print(what: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        none = "not said: too few settings, or one parameter" if what == "importance" else what
        emit_table(f"No {what}", [none], [])
        return
    cells = [[_cell(value) for value in row.values()] for row in rows]
    emit_table(what.capitalize(), list(rows[0]), cells)


def _studies(storage: str | None) -> list[dict[str, Any]]:
    from accel_opt.cli.show_studies import studies

    return studies(storage)


def _trials(study: str | None, storage: str | None) -> list[dict[str, Any]]:
    from accel_opt.cli.show_studies import trials

    return trials(study, storage)


def _importance(study: str | None, storage: str | None) -> list[dict[str, Any]]:
    from accel_opt.cli.show_studies import importance

    return importance(study, storage)


def _accelerators() -> list[dict[str, Any]]:
    from accel_opt.accelerators import registry

    rows: list[dict[str, Any]] = []
    for name in registry.names():
        plugin = registry.get(name)
        for parameter, dim in plugin.params.items():
            rows.append(
                {
                    "accelerator": name,
                    "parameter": parameter,
                    "values": f"{dim.low}..{dim.high} step {dim.step}",
                    "faster when": "higher" if dim.faster == "up" else "lower",
                    "package": ", ".join(plugin.requires),
                    "reference": plugin.reference,
                }
            )
    return rows


def _models() -> list[dict[str, Any]]:
    from accel_opt.pipelines import MODELS

    return [
        {
            "model": model.name,
            "source": model.source or "embedded",
            "pipeline": model.pipeline_class,
            "pixels": model.resolution or "",
            "guidance": model.guidance_scale,
            "note": model.note,
        }
        for model in MODELS.values()
    ]


def _metrics() -> list[dict[str, Any]]:
    from accel_opt.metrics import get_metric, metric_names

    return [
        {
            "metric": name,
            "unit": metric.unit,
            "better": "higher" if metric.higher_is_better else "lower",
            "loss": metric.loss,
            "packages": ", ".join(metric.requires),
            "weights": metric.weights,
            "reference": metric.reference,
        }
        for name in metric_names()
        for metric in (get_metric(name),)
    ]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
