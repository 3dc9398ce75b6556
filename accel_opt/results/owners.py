"""Which built-in accelerator a parameter's bare name belongs to."""

from __future__ import annotations

import functools
import importlib

from accel_opt.accelerators import registry


def built_in_owner(parameter: str) -> str:
    """The name of the built-in accelerator with this parameter, "" when none has it.

    Foreign plugins are left out: what a file means must not hang on what is installed, so their
    parameters are stored as `accelerator.parameter`.
    """
    return _owners().get(parameter, "")


@functools.cache
def _owners() -> dict[str, str]:
    owners: dict[str, str] = {}
    for path in registry.BUILT_IN:
        module, _, attribute = path.partition(":")
        plugin = getattr(importlib.import_module(module), attribute)
        # A name keeps its first owner, or files written before the second would change meaning.
        owners = dict.fromkeys(plugin.params, plugin.name) | owners
    return owners
