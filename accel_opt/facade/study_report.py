"""From a study in a database to what its report shows."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accel_opt import __version__
from accel_opt.accelerators import registry
from accel_opt.codegen import generate_code
from accel_opt.core.command import resume_command
from accel_opt.core.config import Config
from accel_opt.core.errors import AccelOptError
from accel_opt.core.measurement import Best, Interval
from accel_opt.facade.main_job import entry_of
from accel_opt.report import Baseline, Compared, Picture, Strip, StudyReport, Trial, Winner
from accel_opt.report.words import loss, times
from accel_opt.search.confirm import winner_of
from accel_opt.search.explain import importances
from accel_opt.search.read import StudyView, load, storage_of
from accel_opt.search.records import Record
from accel_opt.search.references import PRESETS

_NOTHING = Interval(math.nan, math.nan, math.nan, 0)
# Settings beside the baseline in a strip: the best, milder ones of the front, too harsh ones.
_MILDER, _HARSHER = 3, 2


def study_report(study: str, storage: str | None = None) -> StudyReport:
    """Everything a page says of a study.

    Args:
        study: Its name.
        storage: URL of its database; None looks below ./studies.

    Raises:
        UnknownNameError: There is no such study.
    """
    found = load(study, storage or storage_of(study))
    view = found.view
    winner = _winner(view)
    trials = tuple(_trial(record, view) for record in view.records)
    references = found.references
    return StudyReport(
        study=view.name,
        storage=view.storage,
        subject=_subject(view),
        targets=view.spec.targets if view.spec else (),
        limits=view.limits,
        conditions=view.conditions,
        trials=trials,
        winner=winner,
        rejected=tuple((v.best, v.reason) for v in view.verdicts if not v.confirmed),
        baselines=tuple(
            Baseline(
                r["kind"],
                r["label"],
                _interval(r["speedup"]),
                _interval(r["score_loss"]),
                joined=r["kind"] != PRESETS,
            )
            for r in references["references"]
        ),
        compared=tuple(Compared(c["beats"], c["text"]) for c in references["comparisons"]),
        importances=importances(view),
        strips=_strips(view, winner, found.pictures),
        resume=resume_command(view.spec) if view.spec else "",
        target=_target(view),
        n_settings=view.n_settings,
        wall_s=math.fsum(record.wall_s for record in view.records),
        written=f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        version=__version__,
    )


def _subject(view: StudyView) -> str:
    spec = view.spec
    if spec is None:
        return f"what the study {view.name} measures"
    return f"{spec.model} ({spec.scheduler}, {spec.steps} steps)"


def _target(view: StudyView) -> str:
    if view.spec is None:
        return ""
    if view.spec.speedup is not None:
        return times(view.spec.speedup)
    return "" if view.spec.latency is None else f"{view.spec.latency:g} s a prompt"


def _winner(view: StudyView) -> Winner | None:
    verdict = winner_of(view.verdicts)
    record = view.ledger.best
    if verdict is None and record is None:
        return None
    if verdict is not None:
        best = verdict.best
    else:
        assert record is not None  # noqa: S101 - one of the two is there
        best = view.ledger.show(record)
    return Winner(
        best=best,
        n_confirmed=verdict.n_items if verdict else 0,
        detectable=verdict.detectable if verdict else math.nan,
        program=_program(view, best),
        library=_library(view, best),
    )


def _program(view: StudyView, best: Best) -> str:
    if view.spec is None:
        return ""
    try:
        return generate_code(entry_of(view.spec, best, view.conditions))
    except AccelOptError as error:
        # A study may hold accelerators that are not installed here.
        return f"# no program: {error}"


def _library(view: StudyView, best: Best) -> str:
    if view.spec is None:
        return ""
    lines = [f"    {name!r}: {parameters!r}," for name, parameters in best.config.to_dict().items()]
    return "\n".join(
        [
            "import accel_opt",
            "",
            "config = {",
            *lines,
            "}",
            "with accel_opt.accelerated(pipe, config) as fast:",
            f'    images = fast("a cat", num_inference_steps={view.spec.steps}).images',
        ]
    )


def _trial(record: Record, view: StudyView) -> Trial:
    shown = view.ledger.show(record) if record.measured else None
    return Trial(
        number=record.number,
        setting=record.config,
        outcome=record.outcome,
        reason=record.reason,
        feasible=record.feasible(view.limits),
        front=record.outcome == "full" and record.key in view.front,
        speedup=shown.speedup if shown else _NOTHING,
        losses=shown.losses if shown else {},
        latency_s=record.latency_s,
        n_items=record.n_items,
        preset=_preset(record.config),
    )


def _preset(config: Config) -> str:
    """Where a setting of one accelerator was published."""
    for name in config.accelerators if len(config) == 1 else ():
        if name in registry.names():
            for preset in registry.get(name).presets:
                if Config({name: dict(preset.params)}) == config:
                    return f"published: {preset.source}"
    return ""


def _strips(
    view: StudyView, winner: Winner | None, pictures: Mapping[int, Mapping[str, Path]]
) -> tuple[Strip, ...]:
    strips = []
    chosen = _chosen(view, winner, pictures)
    for name, title in (("0", "First prompt"), ("1", "Second prompt")):
        cells = [_cell(r, view, winner, pictures[r.number], name) for r in chosen]
        strip = [cell for cell in cells if cell is not None]
        first = next((pictures[r.number].get(f"baseline-{name}") for r in chosen), None)
        if strip and first is not None:
            strips.append(Strip(title, (_baseline(view, first), *strip)))
    best = winner.best.trial if winner else None
    worst = pictures.get(best, {}) if best is not None else {}
    if best is not None and "baseline-worst" in worst and "accelerated-worst" in worst:
        record = next(r for r in view.records if r.number == best)
        cell = _cell(record, view, winner, worst, "worst")
        if cell is not None:
            pair = (_baseline(view, worst["baseline-worst"]), cell)
            strips.append(Strip("The prompt that lost most with the best setting", pair))
    return tuple(strips)


def _chosen(
    view: StudyView, winner: Winner | None, pictures: Mapping[int, Mapping[str, Path]]
) -> list[Record]:
    """Settings from mild to harsh around the best one."""
    with_images = [r for r in view.records if r.number in pictures and r.measured]
    full = sorted((r for r in with_images if r.outcome == "full"), key=lambda r: r.speed.value)
    number = winner.best.trial if winner else None
    best = [r for r in full if r.number == number]
    pivot = best[0].speed.value if best else -math.inf
    milder = [r for r in full if r.feasible(view.limits) and r.speed.value < pivot]
    # Evenly over the milder ones, the mildest included.
    step = max(1, math.ceil(len(milder) / _MILDER))
    harsher = [
        r for r in with_images if not r.within(view.limits) and r.speed.value > max(pivot, 0.0)
    ]
    harsher.sort(key=lambda r: r.speed.value)
    last = [harsher[0], harsher[-1]] if len(harsher) >= _HARSHER else harsher
    return [*milder[::step][:_MILDER], *best, *last]


def _cell(
    record: Record,
    view: StudyView,
    winner: Winner | None,
    files: Mapping[str, Path],
    name: str,
) -> Picture | None:
    path = files.get(f"accelerated-{name}")
    if path is None:
        return None
    is_best = winner is not None and winner.best.trial == record.number
    state = "feasible" if record.within(view.limits) else "infeasible"
    limit = view.limits[0]
    lost = record.losses[limit.metric].value if limit.metric in record.losses else math.nan
    text = f"{loss(lost, limit)} {limit.metric} loss, trial {record.number}"
    title = times(math.exp(record.speed.value))
    return Picture(path, title, text, "winner" if is_best else state)


def _baseline(view: StudyView, path: Path) -> Picture:
    known = [r.baseline_latency_s for r in view.records if math.isfinite(r.baseline_latency_s)]
    text = f"{sum(known) / len(known):.3g} s a prompt" if known else ""
    return Picture(path, "baseline", text, "baseline")


def _interval(data: Mapping[str, Any]) -> Interval:
    low, value, high = (math.nan if data[k] is None else data[k] for k in ("low", "value", "high"))
    return Interval(value, low, high, int(data["n"]))
