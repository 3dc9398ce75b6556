"""Which accelerators there are: the built-in ones and those of other people's packages."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points

from accel_opt.accelerators.base import Accelerator
from accel_opt.core.errors import InputError, MissingPackageError, UnknownNameError

GROUP = "accel_opt.accelerators"

BUILT_IN = (
    "accel_opt.accelerators.deepcache:DeepCache",
    "accel_opt.accelerators.tome:ToMe",
    "accel_opt.accelerators.tgate:TGate",
    "accel_opt.accelerators.cfg_cutoff:GuidanceCutoff",
    "accel_opt.accelerators.pab:PyramidAttentionBroadcast",
    "accel_opt.accelerators.first_block_cache:FirstBlockCache",
    "accel_opt.accelerators.faster_cache:FasterCache",
    "accel_opt.accelerators.mag_cache:MagCache",
    "accel_opt.accelerators.taylorseer:TaylorSeer",
)


class Registry:
    """Accelerators by name; loaded at the first question, without torch."""

    def __init__(self) -> None:
        self._found: dict[str, Accelerator] = {}
        self._loaded = False

    def register(self, accelerator: type[Accelerator] | Accelerator) -> None:
        """Adds an accelerator for this process.

        Raises:
            InputError: It is no Accelerator, or its name is taken.
        """
        self._load()
        self._add(accelerator)

    def get(self, name: str) -> Accelerator:
        """The accelerator of this name.

        Raises:
            UnknownNameError: There is none; the message lists those there are.
        """
        self._load()
        if name not in self._found:
            raise UnknownNameError(
                "accelerator", name, self._found, hint="See: accel-opt show accelerators"
            )
        return self._found[name]

    def names(self) -> tuple[str, ...]:
        """All names: the built-in ones in their order, then the others sorted."""
        self._load()
        return tuple(self._found)

    def owner_of(self, parameter: str) -> str:
        """The accelerator that a parameter's name belongs to; `name.parameter` works too.

        Raises:
            UnknownNameError: No accelerator has such a parameter.
            InputError: Several have.
        """
        self._load()
        name, dot, bare = parameter.rpartition(".")
        if dot and name in self._found and bare in self._found[name].params:
            return name
        owners = [n for n, found in self._found.items() if parameter in found.params]
        if len(owners) > 1:
            built_in = [n for n in owners if self._is_built_in(n)]
            if len(built_in) != 1:
                choices = ", ".join(f"{n}.{parameter}" for n in owners)
                raise InputError(f"parameter {parameter!r} is ambiguous; write one of {choices}")
            return built_in[0]
        if not owners:
            known = [p for found in self._found.values() for p in found.params]
            raise UnknownNameError("parameter", parameter, known)
        return owners[0]

    def _is_built_in(self, name: str) -> bool:
        kind = type(self._found[name])
        return f"{kind.__module__}:{kind.__qualname__}" in BUILT_IN

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        try:
            for path in BUILT_IN:
                module, _, attribute = path.partition(":")
                self._add(getattr(importlib.import_module(module), attribute))
            for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
                self._add(self._from_entry(entry))
        except BaseException:
            self._loaded = False  # the same error next time, not half a table
            self._found.clear()
            raise

    def _from_entry(self, entry: object) -> type[Accelerator]:
        try:
            return entry.load()  # type: ignore[attr-defined,no-any-return]
        except ModuleNotFoundError as error:
            name = getattr(entry, "name", "?")
            raise MissingPackageError(
                (error.name or str(error)).partition(".")[0], f"accelerator {name!r}"
            ) from error

    def _add(self, accelerator: type[Accelerator] | Accelerator) -> None:
        instance = accelerator() if isinstance(accelerator, type) else accelerator
        if not isinstance(instance, Accelerator):
            raise InputError(f"{accelerator!r} is no Accelerator; derive it from that class")
        standing = self._found.get(instance.name)
        if standing is not None:
            raise InputError(
                f"accelerator {instance.name!r} is registered twice: by "
                f"{type(standing).__module__} and by {type(instance).__module__}; rename one"
            )
        self._found[instance.name] = instance


_REGISTRY = Registry()
register = _REGISTRY.register
get = _REGISTRY.get
names = _REGISTRY.names
owner_of = _REGISTRY.owner_of
