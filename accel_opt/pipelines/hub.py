"""A model's files on the hub: which copy, with which options, and what they say it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accel_opt.core.errors import InputError
from accel_opt.core.hub import Wanted, explained, reachable
from accel_opt.pipelines.catalogue import Model

INDEX = "model_index.json"
OFFLINE_WAYS = (
    "Offline ways: give a local folder to --model, set HF_HOME to a cache that has it, "
    "or use --model shapes"
)


@dataclass(frozen=True)
class HubOptions:
    """How files of the hub are looked for; names as huggingface_hub has them.

    Attributes:
        cache_dir: Where they are kept; None honours `HF_HOME`.
        revision: Branch, tag or commit; None takes the main branch.
        variant: File variant such as "fp16".
        token: For gated and private models; None honours `HF_TOKEN` and a stored login.
        local_files_only: Whether only the cache is looked into.
    """

    cache_dir: str | None = None
    revision: str | None = None
    variant: str | None = None
    token: str | None = None
    local_files_only: bool = False

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `hf_hub_download`."""
        return {
            "cache_dir": self.cache_dir,
            "revision": self.revision,
            "token": self.token,
            # Asked once here: the hub's own client tries for half a minute a file.
            "local_files_only": self.local_files_only or not reachable(),
        }

    def wanted(self, source: str) -> Wanted:
        """What is said of `source` when it cannot be had."""
        return Wanted(
            source, "model", OFFLINE_WAYS, self.revision, self.cache_dir, self.local_files_only
        )


def source_of(model: Model, options: HubOptions) -> str:
    """The hub id to load: a copy cached under a withdrawn id spares fetching the mirror's."""
    from huggingface_hub import try_to_load_from_cache

    def cached(source: str) -> bool:
        found = try_to_load_from_cache(
            source, INDEX, cache_dir=options.cache_dir, revision=options.revision
        )
        return isinstance(found, str)

    if not cached(model.source):
        for former in model.former:
            if cached(former):
                return former
    return model.source


def read_index(source: str, kind: str, options: HubOptions) -> dict[str, Any]:
    """The `model_index.json` of a pipeline: its class and its parts.

    Fetched before anything else: a model that is gated, missing or no text-to-image pipeline
    is found out before gigabytes are.

    Args:
        source: Hub id or folder.
        kind: "hub" or "folder".
        options: How the hub is asked.

    Raises:
        HubUnreachableError: Neither cached nor reachable.
        InputError: Gated, missing, or no pipeline.
    """
    from huggingface_hub.errors import RemoteEntryNotFoundError

    try:
        index = read_json(source, kind, INDEX, options)
    except InputError as error:
        if isinstance(error.__cause__, RemoteEntryNotFoundError):
            raise InputError(f"{source} holds no {INDEX}: it is no diffusers pipeline") from None
        raise
    if "_class_name" not in index:
        path = source if kind == "hub" else Path(source) / INDEX
        raise InputError(f"{path} names no pipeline class; it is no diffusers pipeline")
    return index


def has_part(index: Mapping[str, Any], name: str) -> bool:
    """Whether a `model_index.json` has a part; one that was left out is two nulls."""
    found = index.get(name)
    return isinstance(found, list) and len(found) == 2 and all(isinstance(v, str) for v in found)


def read_json(source: str, kind: str, file: str, options: HubOptions) -> dict[str, Any]:
    """A configuration file of a pipeline.

    Args:
        source: Hub id or folder.
        kind: "hub", or what is a folder.
        file: Where it is below that, such as "scheduler/scheduler_config.json".
        options: How the hub is asked.

    Raises:
        HubUnreachableError: Neither cached nor reachable.
        InputError: Gated or missing, or no JSON object.
    """
    path = Path(source) / file
    if kind == "hub":
        from huggingface_hub import hf_hub_download

        try:
            path = Path(hf_hub_download(source, file, **options.arguments()))
        except (OSError, ValueError) as error:
            raise explained(error, options.wanted(source)) from error
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no configuration")
    return found
