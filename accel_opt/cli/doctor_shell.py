"""A pipeline without numbers: what its files say it is, read in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accel_opt.core.imports import imports_explained
from accel_opt.core.quiet import loading_quietly
from accel_opt.core.weight_files import has_weights
from accel_opt.pipelines import Model
from accel_opt.pipelines.hub import HubOptions, has_part, read_index, read_json, source_of
from accel_opt.pipelines.schedulers import set_scheduler
from accel_opt.pipelines.text_to_image import part_class, pipeline_class

# Parts that have no weights, by how their classes are called; and one that is never loaded.
_WEIGHTLESS = ("Tokenizer", "TokenizerFast", "Scheduler", "Processor", "FeatureExtractor")
_NEVER_LOADED = ("safety_checker",)


def located(model: Model) -> tuple[str, dict[str, Any]]:
    """Where a model's files are, folder or hub id, and its `model_index.json`.

    Raises:
        HubUnreachableError: Neither cached nor reachable.
        InputError: Gated, missing, or no pipeline.
    """
    if model.kind == "embedded":
        from accel_opt import shapes

        source = str(shapes.pipeline_folder(model.name))
    else:
        source = source_of(model, HubOptions()) if model.kind == "hub" else model.source
    return source, read_index(source, model.kind, HubOptions())


def shell(source: str, index: dict[str, Any], kind: str, scheduler: str | None) -> Any:
    """The pipeline with its denoiser on torch's `meta` device, its scheduler, and nothing else.

    What fits it depends on these alone. Of a model on the hub, two small files are fetched.

    Args:
        source: Folder or hub id.
        index: Its `model_index.json`.
        kind: "hub", "folder" or "embedded".
        scheduler: Nickname or class name; None takes the model's own.

    Raises:
        HubUnreachableError: The configurations are neither cached nor reachable.
        InputError: No text-to-image pipeline, or parts that brought their own code.
    """
    with imports_explained(), loading_quietly("diffusers", "transformers"):
        found = pipeline_class(index, source)
        denoiser = "unet" if has_part(index, "unet") else "transformer"
        network = part_class(index, denoiser, source)
        parts = dict.fromkeys(found._get_signature_keys(found)[0])  # noqa: SLF001
        parts[denoiser] = _network(network, _config(source, denoiser, kind))
        steps = _config(source, "scheduler", kind, "scheduler_config.json")
        parts["scheduler"] = part_class(index, "scheduler", source).from_config(steps)
        # Its constructor would look into text encoders and decoders that are not there.
        pipe = found.__new__(found)
        pipe.register_modules(**parts)
        if scheduler is not None:
            set_scheduler(pipe, scheduler)
    return pipe


def lacking(folder: Path, index: dict[str, Any]) -> list[str]:
    """The parts of a saved pipeline whose weights are not in its folder."""
    return [
        name
        for name, part in index.items()
        if _is_part(part)
        and name not in _NEVER_LOADED
        and not part[1].endswith(_WEIGHTLESS)
        and not has_weights(folder / name)
    ]


def _is_part(value: Any) -> bool:
    # Package and class; other settings may be lists as well, and parts left out are two nulls.
    return isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value)


def _network(found: Any, config: dict[str, Any]) -> Any:
    import torch
    from accelerate import init_empty_weights

    # Some classes draw numbers before they are asked to, hence the fork.
    with torch.random.fork_rng(devices=[]), init_empty_weights(include_buffers=True):
        return found.from_config(config)


def _config(source: str, part: str, kind: str, name: str = "config.json") -> dict[str, Any]:
    return read_json(source, kind, f"{part}/{name}", HubOptions())
