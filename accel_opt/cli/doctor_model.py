"""What `accel-opt doctor --model NAME` says: how it would run, and which accelerators fit it."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from accel_opt.core.errors import MissingPackageError

if TYPE_CHECKING:
    from accel_opt.core.dims import Dim
    from accel_opt.pipelines import Model


def check(ok: bool | None, what: str, says: str) -> dict[str, Any]:
    """One line of the report; `ok` is None for what is neither right nor wrong."""
    return {"ok": ok, "what": what, "says": says}


def model_checks(name: str, steps: int, scheduler: str | None) -> list[dict[str, Any]]:
    """How a model runs here, and each accelerator's ranges or the reason why it does not fit.

    No weights are loaded or fetched: what fits is a matter of shapes.

    Args:
        name: Catalogue name, hub id or folder.
        steps: Inference steps that the ranges are for.
        scheduler: Nickname or class name; None takes what a search would take.

    Raises:
        InputError: No such model; or its configurations are needed, and cannot be had.
    """
    from accel_opt.accelerators import stack
    from accel_opt.core.spec import StudySpec
    from accel_opt.pipelines import find_model
    from accel_opt.pipelines.hub import HubOptions
    from accel_opt.pipelines.own import own_defaults

    model = find_model(name)
    own = None if model.pipeline_class else own_defaults(model, HubOptions())
    usual = own.scheduler if own else StudySpec().scheduler
    pipe, weights = _pipeline(model, scheduler or usual)
    guidance = own.guidance_scale if own else model.guidance_scale
    run = stack.run_info(pipe, steps, guidance or 0.0)
    return [*_running(model, pipe, steps, guidance, weights), *_accelerators(pipe, run)]


def _pipeline(model: Model, scheduler: str | None) -> tuple[Any, dict[str, Any]]:
    """The pipeline without numbers, and what is to be said of its weights."""
    from accel_opt.cli.doctor_shell import located, shell
    from accel_opt.pipelines.load import load_pipeline

    if model.architecture:
        pipe = load_pipeline(model, scheduler=scheduler, weights="random", device="meta")
        return pipe, _weights_on_hub(model)
    source, index = located(model)
    pipe = shell(source, index, model.kind, scheduler)
    if model.kind == "hub":
        return pipe, _weights_on_hub(model)
    if model.kind == "embedded":
        return pipe, check(True, "weights", "in this package")
    return pipe, _weights_in(Path(source), index, source)


def _running(
    model: Model, pipe: Any, steps: int, guidance: float | None, weights: dict[str, Any]
) -> list[dict[str, Any]]:
    from accel_opt.pipelines.devices import default_device, default_dtype, usual_dtype

    device = default_device()
    # As the loader has it: UNets were trained for float16, transformers may overflow in it.
    usual = usual_dtype(model.dtype, unet=getattr(pipe, "unet", None) is not None)
    dtype = default_dtype(device, usual)
    side = f"{model.resolution} pixels" if model.resolution else "its own size"
    says = (
        f"{type(pipe).__name__}, {type(pipe.scheduler).__name__}, {steps} steps, {side}, "
        f"{'no guidance' if guidance is None else f'guidance {guidance:g}'}, on {device} in {dtype}"
    )
    found = [check(True, "model", says), weights]
    return [*found, check(None, "mirror", model.notice)] if model.notice else found


def _weights_on_hub(model: Model) -> dict[str, Any]:
    from accel_opt.core.weight_files import snapshot_of
    from accel_opt.pipelines.hub import INDEX, HubOptions, read_index, source_of

    source = source_of(model, HubOptions(local_files_only=True))
    folder = snapshot_of(source)
    if folder is not None and (folder / INDEX).is_file():
        index = read_index(str(folder), "folder", HubOptions())
        found = _weights_in(folder, index, f"{source} is in the cache")
        if found["ok"]:
            return found
        says = f"{found['says']}; they are fetched from the hub on first use"
    else:
        says = f"{model.source} is not in the cache; it is fetched from the hub on first use"
    ways = "; speed alone needs none: --weights random" if model.architecture else ""
    return check(None, "weights", f"{says}{ways}")


def _weights_in(folder: Path, index: dict[str, Any], where: str) -> dict[str, Any]:
    from accel_opt.cli.doctor_shell import lacking

    missing = lacking(folder, index)
    if missing:
        return check(False, "weights", f"{where}, without the weights of {', '.join(missing)}")
    return check(True, "weights", where)


def _accelerators(pipe: Any, run: Any) -> list[dict[str, Any]]:
    from accel_opt.accelerators import registry, stack

    found, fitting = [], []
    for name in registry.names():
        try:
            plugin = registry.get(name)
        except MissingPackageError as error:
            found.append(check(False, name, str(error)))
            continue
        refusal = stack.supports((name,), pipe)
        if refusal:
            found.append(check(None, name, refusal.reason.removeprefix(f"{name}: ")))
            continue
        fitting.append(name)
        found.append(check(True, name, ranges_text(plugin.ranges(run))))
    said = "any of these" + "".join(
        f"{', but not ' if number == 0 else '; nor '}{', '.join(pairs)} ({reason})"
        for number, (reason, pairs) in enumerate(_clashes(fitting, pipe).items())
    )
    return [*found, check(None, "together", said)]


def _clashes(names: list[str], pipe: Any) -> dict[str, list[str]]:
    """Pairs that exclude each other, by the reason."""
    from accel_opt.accelerators import stack

    clashes: dict[str, list[str]] = {}
    for one, other in combinations(names, 2):
        refusal = stack.supports((one, other), pipe)
        if refusal:
            # The names stand before its colon, the advice after its last semicolon.
            reason = refusal.reason.partition(": ")[2].removesuffix("; leave one out")
            clashes.setdefault(reason or refusal.reason, []).append(f"{one} with {other}")
    return clashes


def ranges_text(ranges: dict[str, Dim]) -> str:
    """Ranges as people read them, the faster end named."""
    return ", ".join(
        f"{name} {dim.low:g}"
        if dim.low == dim.high
        else f"{name} {dim.low:g}..{dim.high:g} ({'higher' if dim.faster == 'up' else 'lower'} "
        "is faster)"
        for name, dim in ranges.items()
    )
