"""FLOPs of the operations of a call on `meta`, by the module in which they are spent."""

from collections import Counter
from functools import cache
from typing import Any


def work_counter() -> Any:
    """A mode that adds up FLOPs by the module in which they are spent.

    Torch's own `FlopCounterMode` works out the shapes of every operation anew, in Python. Here
    an operation that has been met on tensors of the same shapes and strides is answered with
    empty tensors, which takes a third of the time; only operations on `meta` that make new tensors.
    """
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class WorkCounter(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.inside = [""]
            self.flops: Counter[str] = Counter()
            self._known: dict[Any, tuple[Any, float]] = {}

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            del types
            given = kwargs or {}
            key = _key(func, args, given)
            if key is not None and key in self._known:
                made, flops = self._known[key]
                if flops:
                    self.flops[self.inside[-1]] += flops
                return _made(made)
            found = func(*args, **given)
            formula = flop_registry.get(func._overloadpacket)  # noqa: SLF001 - as torch's own does
            flops = float(formula(*args, **given, out_val=found)) if formula else 0.0
            if flops:
                self.flops[self.inside[-1]] += flops
            if key is not None and (shapes := _shapes(found)) is not None:
                self._known[key] = shapes, flops
            return found

    return WorkCounter()


@cache
def _makes_anew(func: Any) -> bool:
    """Whether an operation neither changes its arguments nor returns a view of them."""
    schema = func._schema  # noqa: SLF001 - what an operation promises stands nowhere else
    return not any(a.alias_info for a in (*schema.arguments, *schema.returns))


def _key(func: Any, args: Any, given: dict[str, Any]) -> Any:
    """What an operation's result depends on; None where that is more than shapes."""
    if not _makes_anew(func):
        return None
    tensors: list[Any] = []
    key = (func, _described(args, tensors), _described(tuple(given.items()), tensors))
    on_meta = bool(tensors) and all(tensor.is_meta for tensor in tensors)
    return key if on_meta else None


def _described(value: Any, tensors: list[Any]) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        tensors.append(value)
        return value.shape, value.stride(), value.dtype
    if isinstance(value, list | tuple):
        return tuple(_described(part, tensors) for part in value)
    return type(value), value


def _shapes(found: Any) -> Any:
    import torch

    if isinstance(found, torch.Tensor):
        return (found.shape, found.stride(), found.dtype) if found.is_meta else None
    parts = [_shapes(part) for part in found] if isinstance(found, tuple) else [None]
    return None if None in parts else parts


def _made(shapes: Any) -> Any:
    import torch

    if isinstance(shapes, list):
        return tuple(_made(part) for part in shapes)
    size, stride, dtype = shapes
    return torch.empty_strided(size, stride, dtype=dtype, device="meta")
