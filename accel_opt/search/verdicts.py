"""Verdicts of confirmation as they are kept in the study, so that no candidate is asked twice."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from accel_opt.core.config import Config
from accel_opt.core.measurement import Best, Interval
from accel_opt.search.confirm import Verdict

if TYPE_CHECKING:
    import optuna

_PREFIX = "accel_opt:verdict"


def keep(study: optuna.Study, verdict: Verdict, epoch: int) -> None:
    """Writes a verdict into the study."""
    data = asdict(verdict)
    data["best"]["config"] = verdict.best.config.to_dict()
    name = f"{_PREFIX}:{epoch}:{verdict.best.key}"
    study.set_user_attr(name, json.dumps(_finite(data), separators=(",", ":")))


def read(study: optuna.Study, epoch: int) -> dict[str, Verdict]:
    """Verdicts by key, of the present conditions."""
    start = f"{_PREFIX}:{epoch}:"
    return {
        name.removeprefix(start): _verdict(json.loads(text))
        for name, text in study.user_attrs.items()
        if name.startswith(start)
    }


def confirmed_trials(attributes: Mapping[str, Any], epoch: int) -> set[int]:
    """Numbers of the trials that confirmation bore out, from a study's attributes."""
    start = f"{_PREFIX}:{epoch}:"
    found = [json.loads(text) for name, text in attributes.items() if name.startswith(start)]
    return {data["best"]["trial"] for data in found if data["confirmed"]}


def _verdict(data: dict[str, Any]) -> Verdict:
    data = _restored(data)
    best = data["best"]
    best["config"] = Config(best["config"])
    best["losses"] = {name: Interval(**interval) for name, interval in best["losses"].items()}
    for name in ("speedup", "score_loss", "found_speedup", "found_score_loss"):
        best[name] = Interval(**best[name]) if best[name] is not None else None
    return Verdict(**{**data, "best": Best(**best)})


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(value)}
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"float"}:
            return float(value["float"])
        return {key: _restored(item) for key, item in value.items()}
    return value
