"""Puts a pipeline back as it was, whatever was done to it.

The guard does not ask a plugin to undo: it photographs the pipeline before `apply` and lays the
picture over it afterwards. A full-size UNet has thousands of modules with a dozen dicts each,
so the photograph is one flat pass that decides by type, and copies nothing that is empty.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from operator import is_
from types import MethodType
from typing import Any, Literal

# Moving a pipeline to a device replaces what these hold, and is no trace of a plugin.
_TENSORS = ("_parameters", "_buffers")
_CLASS_INTERNALS = {"__dict__", "__weakref__", "__doc__", "_abc_impl", "__slotnames__"}
_ABSENT = object()
_MAX_DEPTH = 5  # below a module; modules themselves nest as deep as they like
_MAX_ENTRIES = 4096  # of a container whose entries are looked at; vocabularies are larger

_Kind = Literal["skip", "dict", "list", "set", "module", "generator", "method", "object"]


class RestoringGuard:
    """A picture of everything that a plugin may change below a pipeline.

    Covered: the class and every attribute of the pipeline, of its components, of their modules
    and of the objects these hold (attention processors, hook registries, schedulers' state), the
    contents of their dicts, lists and sets (hooks, submodules), generators' states, and the
    attributes of all classes among them. Weights are compared by identity, not by value: a
    plugin that writes into them in place fails the contract suite instead.

    What the caller changes in the pipeline between `__init__` and `restore` is undone as well,
    moves to another device or dtype excepted.

    Args:
        pipe: A diffusers pipeline.
    """

    def __init__(self, pipe: Any) -> None:
        self._owners: list[tuple[Any, type, dict[str, Any]]] = []
        self._containers: list[tuple[Any, Any]] = []  # with a copy; None stands for empty
        self._generators: list[tuple[Any, Any]] = []
        self._weights: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._photograph(pipe)
        kinds = {type(owner) for owner, _, _ in self._owners}
        mro = {cls for kind in kinds for cls in kind.__mro__ if cls.__module__ != "builtins"}
        self._classes = [(cls, dict(vars(cls))) for cls in mro]
        self._patched: list[tuple[type, str, Any]] = []

    def applied(self) -> None:
        """Notes which classes and weights the plugin's `apply` has changed.

        Later changes to classes may be somebody else's (another pipeline's accelerator), later
        changes to weights a move to another device: both stay.
        """
        self._patched = [
            (cls, name, value)
            for cls, before in self._classes
            for name, value in _differences(before, vars(cls)).items()
            if name not in _CLASS_INTERNALS
        ]
        self._weights = [
            (now, _differences(before, now))
            for now, before in self._weights
            if not _is_same(now, before)
        ]

    def restore(self) -> None:
        """Puts everything back; may be called again."""
        for cls, name, value in self._patched:
            if value is not _ABSENT:
                setattr(cls, name, value)
            elif name in vars(cls):
                delattr(cls, name)
        for owner, cls, attributes in self._owners:
            if type(owner) is not cls:
                # `__class__` may be guarded by a __setattr__ of the object's own.
                object.__setattr__(owner, "__class__", cls)
            _refill(owner.__dict__, attributes)
        for container, copy in self._containers:
            _put_back(container, copy)
        for generator, state in self._generators:
            generator.set_state(state)
        for weights, changed in self._weights:
            weights.update({n: value for n, value in changed.items() if value is not _ABSENT})
            for name in [n for n, value in changed.items() if value is _ABSENT]:
                weights.pop(name, None)

    def _photograph(self, pipe: Any) -> None:
        seen: set[int] = set()
        todo: list[tuple[Any, int]] = [(pipe, 0)]
        while todo:
            value, depth = todo.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            kind = _kind_of(type(value))
            if kind == "method":
                todo.append((value.__self__, depth))
            elif kind == "generator":
                self._generators.append((value, value.get_state()))
            elif kind in ("module", "object"):
                children = self._picture_owner(value, kind)
                below = 0 if kind == "module" else depth + 1
                if below <= _MAX_DEPTH:
                    todo += [(c, below) for c in children if _kind_of(type(c)) != "skip"]
            elif not value:
                self._containers.append((value, None))
            else:
                self._containers.append((value, value.copy()))
                if depth <= _MAX_DEPTH and len(value) <= _MAX_ENTRIES:
                    children = value.values() if kind == "dict" else value
                    todo += [(c, depth + 1) for c in children if _kind_of(type(c)) != "skip"]

    def _picture_owner(self, owner: Any, kind: _Kind) -> Iterable[Any]:
        attributes: dict[str, Any] = owner.__dict__.copy()
        self._owners.append((owner, type(owner), attributes))
        if kind != "module":
            return attributes.values()
        self._weights += [(attributes[name], attributes[name].copy()) for name in _TENSORS]
        return [value for name, value in attributes.items() if name not in _TENSORS]


_KINDS: dict[type, _Kind] = {}


def _kind_of(cls: type) -> _Kind:
    """How values of a class are photographed; the answer is kept, as there are few classes."""
    kind = _KINDS.get(cls)
    if kind is None:
        kind = _KINDS[cls] = _classify(cls)
    return kind


_BASES: tuple[tuple[type, _Kind], ...] = (
    (dict, "dict"), (list, "list"), (set, "set"), (MethodType, "method"), (type, "skip"),
)  # fmt: skip
# By what they can do, as torch is not imported here: generators, modules, tensors.
_ABILITIES: tuple[tuple[tuple[str, ...], _Kind], ...] = (
    (("get_state", "manual_seed"), "generator"),
    (("register_forward_hook", "named_modules"), "module"),
    (("data_ptr",), "skip"),
)


def _classify(cls: type) -> _Kind:
    for base, kind in _BASES:
        if issubclass(cls, base):
            return kind
    for names, kind in _ABILITIES:
        if all(hasattr(cls, name) for name in names):
            return kind
    # Loggers, locks, numbers, functions: shared with the world, or immutable.
    foreign = cls.__module__.partition(".")[0] not in sys.stdlib_module_names
    return "object" if foreign and getattr(cls, "__dictoffset__", False) else "skip"


def _is_same(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether two mappings hold the same objects under the same names in the same order."""
    return (
        len(now) == len(before)
        and all(map(is_, now.values(), before.values()))
        and list(now) == list(before)
    )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What `before` holds under each name that has changed."""
    return {
        name: before.get(name, _ABSENT)
        for name in before.keys() | now.keys()
        if before.get(name, _ABSENT) is not now.get(name, _ABSENT)
    }


def _put_back(container: Any, copy: Any) -> None:
    if copy is None:
        container.clear()
    elif isinstance(container, dict):
        _refill(container, copy)
    elif isinstance(container, list):
        container[:] = copy
    else:
        container.clear()
        container.update(copy)


def _refill(now: dict[str, Any], before: Mapping[str, Any]) -> None:
    if _is_same(now, before):
        return
    # Rebuilt rather than mended: the order of hooks is the order of dict entries. The base's
    # methods, as frozen configurations refuse their own.
    base: Any = OrderedDict if isinstance(now, OrderedDict) else dict
    for key in list(now):
        base.__delitem__(now, key)
    for key, value in before.items():
        base.__setitem__(now, key, value)
