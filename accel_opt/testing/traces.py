"""What a plugin could have left behind."""

from __future__ import annotations

from typing import Any


def same(one: Any, other: Any) -> bool:
    """Whether two tensors are equal bit for bit, shapes included."""
    import torch

    return one.shape == other.shape and bool(torch.equal(one, other))


def traces(pipe: Any) -> dict[str, Any]:
    """A description of a pipeline that differs when anything was added, removed or replaced.

    Classes, attribute names, hooks and methods shadowed on instances, for the pipeline, its
    components and every module below them; and all weights, by value.
    """
    found: dict[str, Any] = {"": _describe(pipe)}
    for name, component in pipe.components.items():
        found[name] = _describe(component)
        if hasattr(component, "named_modules"):
            for path, module in component.named_modules():
                found[f"{name}.{path}"] = _describe(module)
            found[f"{name} weights"] = {
                key: (tuple(value.shape), float(value.double().sum()), value.data_ptr())
                for key, value in component.state_dict().items()
            }
    return found


def _describe(thing: Any) -> tuple[Any, ...]:
    attributes = vars(thing) if hasattr(thing, "__dict__") else {}
    return (
        type(thing),
        tuple(attributes),
        tuple(id(value) for value in attributes.values() if callable(value)),
        tuple(tuple(attributes.get(hooks, ())) for hooks in _HOOKS),
        tuple(sorted(type(vars(thing).get(name)).__name__ for name in _HELD if name in attributes)),
    )


_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_modules", "_buffers")
_HELD = ("processor", "_diffusers_hook", "_hf_hook")
