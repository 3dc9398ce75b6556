"""What a search does where nobody said: defaults of its model filled in, and its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accel_opt.accelerators import registry
from accel_opt.core.errors import InputError, UnknownNameError
from accel_opt.core.files import file_name
from accel_opt.core.spec import StudySpec
from accel_opt.metrics import get_metric
from accel_opt.pipelines import Model, find_model, scheduler_class_name
from accel_opt.pipelines.hub import HubOptions
from accel_opt.pipelines.own import Own, own_defaults, own_defaults_of
from accel_opt.search.storage import default_storage

# The main job on the embedded model ends within three minutes on two cores: this much search,
# this much confirmation, and the start-up.
EMBEDDED_SEARCH_S = 105.0
EMBEDDED_CONFIRM_S = 46.0
EMBEDDED_PROMPTS = 32
DEFAULT_TRIALS = 100


def resolved(spec: StudySpec, pipe: Any = None, *, named: bool = False) -> tuple[StudySpec, Model]:
    """The spec with every default of its model filled in, and the model.

    Args:
        spec: What was asked.
        pipe: A pipeline of the caller's own, which answers for itself.
        named: Whether only the study's name and folder are wanted: then a model outside the
            catalogue is not looked for where scheduler, steps and accelerators are given.

    Raises:
        UnknownNameError: No such model, scheduler, accelerator or metric.
        MissingPackageError: A metric's package is not installed.
        HubUnreachableError: A model outside the catalogue is neither cached nor reachable.
        InputError: A limit makes no sense for its metric; the model makes no images from text.
    """
    model = _model(spec.model, pipe)
    for name in spec.accelerators:
        registry.get(name)
    for name, limit in spec.max_loss.items():
        get_metric(name).check_packages()
        _check_limit(name, limit)
    _check_hub_options(spec, model, pipe)
    own = _own(spec, model, pipe, named=named)
    given = spec.model_fields_set
    embedded = model.kind == "embedded"
    free_end = spec.trials is None and spec.timeout is None
    filled = {
        "model": model.name,
        "scheduler": scheduler_class_name(
            own.scheduler if own and "scheduler" not in given else spec.scheduler
        ),
        "steps": own.steps if own and own.steps and "steps" not in given else spec.steps,
        "guidance_scale": _guidance(spec, model, own),
        "accelerators": _accelerators(spec, own.accelerators if own else model.accelerators),
        "prompts": _either(spec.prompts, EMBEDDED_PROMPTS if embedded else model.prompts),
        "prompts_from": spec.prompts_from or model.prompts_from,
        "batch_size": spec.batch_size or model.batch_size,
        "timeout": EMBEDDED_SEARCH_S if embedded and free_end else spec.timeout,
        "trials": DEFAULT_TRIALS if free_end and not embedded else spec.trials,
        "resolution": spec.resolution or (None if embedded else model.resolution),
    }
    full = spec.model_copy(update=filled)
    name = spec.study or default_name(spec, full, model)
    folder = spec.out or Path("studies") / file_name(name)
    several = 2 if spec.engine == "ray" else spec.workers
    storage = spec.storage or default_storage(folder, several)
    update = {"study": name, "out": folder, "storage": storage}
    return full.model_copy(update=update), model


def _model(name: str, pipe: Any) -> Model:
    try:
        return find_model(name)
    except UnknownNameError:
        if pipe is None:
            raise
        # Built from parts, or read from a single file: nothing is loaded by its name.
        return Model(name, name, "", "folder", resolution=None, dtype="")


def hub_options(spec: StudySpec) -> HubOptions:
    """How the hub is asked for a spec's model."""
    return HubOptions(spec.cache_dir, spec.revision, spec.variant)


def _guidance(spec: StudySpec, model: Model, own: Own | None) -> float | None:
    """The scale of calls; None where a model takes none."""
    # One outside the catalogue that was resolved before may have been found to take none.
    settled = not model.pipeline_class and "guidance_scale" in spec.model_fields_set
    if spec.guidance_scale is not None or settled:
        return spec.guidance_scale
    return own.guidance_scale if own else model.guidance_scale


def _check_hub_options(spec: StudySpec, model: Model, pipe: Any) -> None:
    given = pipe is not None or model.kind == "embedded"
    useless = [
        name
        for name, on in (("revision", given or model.kind == "folder"), ("variant", given))
        if on and getattr(spec, name)
    ]
    if useless:
        raise InputError(
            f"{useless[0]}={getattr(spec, useless[0])!r}: {model.name} is not fetched from the "
            f"hub; leave --{useless[0]} out"
        )


def _own(spec: StudySpec, model: Model, pipe: Any, *, named: bool) -> Own | None:
    """What a model outside the catalogue says of itself, where anything is left to it."""
    wanted = {"scheduler", "steps", "accelerators"} | (set() if named else {"guidance_scale"})
    # A spec that was resolved before has all of them, be it that there is no guidance.
    asked = wanted - spec.model_fields_set
    if model.pipeline_class or not asked or spec.weights == "random":
        return None
    return own_defaults_of(pipe) if pipe is not None else own_defaults(model, hub_options(spec))


def _check_limit(name: str, limit: float) -> None:
    bounds = get_metric(name).bounds
    if bounds and not bounds[0] < limit < bounds[1]:
        low, high = bounds
        raise InputError(
            f"limit {name}={limit:g} is not between {low:g} and {high:g}; the loss of {name} is "
            f"how far it may be from {get_metric(name).perfect:g}, such as --max-loss {name}="
            f"{0.3 if high > 0 else -30}"
        )


def _accelerators(spec: StudySpec, own: tuple[str, ...]) -> tuple[str, ...]:
    chosen = "accelerators" in spec.model_fields_set
    return spec.accelerators if chosen else own or spec.accelerators


def default_name(given: StudySpec, full: StudySpec, model: Model) -> str:
    """A study's name: its config, its targets, and every condition that is not the default."""
    parts = [model.name, full.scheduler, str(full.steps), "+".join(full.targets)]
    if given.max_score_loss != StudySpec().max_score_loss:
        parts.append(f"loss{given.max_score_loss:g}")
    extra = {
        "speedup": given.speedup,
        "latency": given.latency,
        "guidance": given.guidance_scale,
        "prompts": given.prompts,
        "batch": given.batch_size,
        "res": given.resolution,
    }
    parts += [f"{name}{value:g}" for name, value in extra.items() if value is not None]
    parts += [word for word in (given.dtype, given.device) if word]
    files = {"revision": given.revision, "variant": given.variant}
    parts += [f"{name}-{word}" for name, word in files.items() if word]
    if given.seed != StudySpec().seed:
        parts.append(f"seed{given.seed}")
    if given.objective != "speedup":
        parts.append(given.objective)
    parts += [f"{metric}{limit:g}" for metric, limit in sorted(given.max_loss.items())]
    parts += ["random"] if given.weights == "random" else []
    flags = {"all": given.require_all, "frontier": given.frontier}
    parts += [word for word, on in flags.items() if on]
    return file_name("-".join(parts).replace("/", "_"))


def _either(given: Any, default: Any) -> Any:
    return default if given is None else given
