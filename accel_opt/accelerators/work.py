"""FLOPs of a run, by denoiser call and unit: counted once, then composed for any setting.

The denoiser is counted on the `meta` device, without weights and without computing. There the
counter sees attention's products too; on a CPU it counts them as nothing.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from accel_opt.accelerators.denoiser_inputs import inputs_of, is_known, text_tokens_of
from accel_opt.accelerators.model import denoiser_of
from accel_opt.core.errors import RefusedError
from accel_opt.core.run import Refusal

if TYPE_CHECKING:
    import numpy as np

SELF, CROSS, OTHER = "self-attention", "cross-attention", "other"


@dataclass(frozen=True)
class Unit:
    """A part of the denoiser that runs or does not run as a whole.

    Attributes:
        path: Its module's path below the denoiser.
        kind: SELF, CROSS or OTHER.
        linear: FLOPs that grow with the tokens, for one sample.
        pairs: FLOPs that grow with their square (self-attention's products).
        tokens: Image tokens that it works on; 0 where that is not known.
        channels: Features of each.
    """

    path: str
    kind: str
    linear: float
    pairs: float = 0.0
    tokens: int = 0
    channels: int = 0


@dataclass(frozen=True)
class Denoiser:
    """A denoiser's units, counted for one sample.

    Attributes:
        units: All of them, in the order of the modules.
        twin: The denoiser on the `meta` device, for its structure.
        height: Rows of tokens at the finest level.
        width: Columns of tokens there.
    """

    units: tuple[Unit, ...]
    twin: Any
    height: int
    width: int

    def below(self, modules: Iterable[Any]) -> list[int]:
        """Numbers of the units at or below some of the twin's modules."""
        inside = {id(part) for module in modules for part in module.modules()}
        return [n for n, part in enumerate(self.parts) if id(part) in inside]

    @functools.cached_property
    def parts(self) -> tuple[Any, ...]:
        """The twin's module of each unit."""
        return tuple(self.twin.get_submodule(unit.path) for unit in self.units)


@dataclass(frozen=True)
class Work:
    """FLOPs of one image's run.

    Attributes:
        denoiser: The units.
        flops: FLOPs by call and unit, (steps, units).
        barriers: Calls at which every cache across steps must be filled anew.
    """

    denoiser: Denoiser
    flops: np.ndarray
    barriers: frozenset[int] = frozenset()

    @property
    def total(self) -> float:
        """FLOPs of the whole run."""
        return float(self.flops.sum())

    def scaled(self, factors: np.ndarray) -> Work:
        """Every entry times its factor; `factors` broadcasts to (steps, units)."""
        return replace(self, flops=self.flops * factors)

    def numbers(self, kind: str) -> list[int]:
        """Numbers of the units of a kind."""
        return [n for n, unit in enumerate(self.denoiser.units) if unit.kind == kind]


def plain_work(
    denoiser: Denoiser, steps: int, *, guided: bool, barriers: frozenset[int] = frozenset()
) -> Work:
    """The work of a run without accelerators."""
    import numpy as np

    per_call = np.array([unit.linear + unit.pairs for unit in denoiser.units])
    return Work(denoiser, np.tile(per_call * (2 if guided else 1), (steps, 1)), barriers)


_COUNTED: weakref.WeakKeyDictionary[Any, dict[tuple[int, int], Denoiser]] = (
    weakref.WeakKeyDictionary()
)


def count(pipe: Any, height: int | None = None, width: int | None = None) -> Denoiser:
    """Counts a pipeline's denoiser; the second time for nothing.

    Args:
        pipe: A diffusers pipeline; its weights may be anywhere, also on `meta`.
        height: Rows of latents; the model's own when not given.
        width: Columns of latents.

    Raises:
        RefusedError: It is not known how to call this denoiser.
    """
    refusal = countable(pipe)
    if refusal:
        raise RefusedError(refusal.reason)
    module, size = denoiser_of(pipe), _sample_size(pipe)
    shape = (height or size, width or size)
    known = _COUNTED.setdefault(module, {})
    if shape not in known:
        known[shape] = _count(module, *shape, text_tokens_of(pipe))
    return known[shape]


def countable(pipe: Any) -> Refusal | None:
    """Why the work of a pipeline's settings cannot be counted, or None when it can; at no cost.

    Such a pipeline can be searched all the same, by measured seconds: with `Space(work=None)`.
    """
    module = denoiser_of(pipe)
    if not isinstance(_sample_size(pipe), int):
        why = "no denoiser whose sample_size is a number"
    elif is_known(module):
        return None
    else:
        why = f"it is not known how to call a {type(module).__name__} to count its FLOPs"
    return Refusal(
        f"{type(pipe).__name__}: {why}; measure seconds instead: --objective speedup, "
        "in Python objective='speedup'"
    )


def _sample_size(pipe: Any) -> Any:
    config = getattr(denoiser_of(pipe), "config", {})
    size = getattr(config, "sample_size", None)
    if size is None and "joint_attention_dim" in config:
        size = getattr(pipe, "default_sample_size", None)  # Flux takes any
    return size


def _count(module: Any, height: int, width: int, text_tokens: int) -> Denoiser:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        twin = type(module).from_config(module.config).eval()
        inputs = inputs_of(twin, height, width, text_tokens)
    tokens: dict[str, tuple[int, int]] = {}
    for path, part in twin.named_modules():
        if _attends(part):
            part.register_forward_pre_hook(
                lambda _, args, kwargs, path=path: tokens.update(
                    {path: tuple((args[0] if args else kwargs["hidden_states"]).shape[1:])}
                ),
                with_kwargs=True,
            )
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        twin(**inputs)
    counts = {
        name.partition(".")[2]: {str(op): float(n) for op, n in by_op.items()}
        for name, by_op in counter.get_flop_counts().items()
        if name != "Global"
    }
    patch = patch_size(twin)
    units = tuple(_units(twin, "", counts, tokens))
    return Denoiser(units, twin, height // patch, width // patch)


def patch_size(denoiser: Any) -> int:
    """Rows and columns of latents that make one image token."""
    if type(denoiser).__name__ == "FluxTransformer2DModel":
        return 2  # packed by the pipeline, before the denoiser sees them
    return getattr(denoiser.config, "patch_size", None) or 1


def _attends(module: Any) -> bool:
    return type(module).__name__ in ("Attention", "FluxAttention")


def _units(
    module: Any, path: str, counts: dict[str, dict[str, float]], tokens: dict[str, tuple[int, int]]
) -> Iterator[Unit]:
    total = sum(counts.get(path, {}).values())
    if _attends(module) and total:
        # On `meta` attention is spelled out as batched products, elsewhere it is one operation.
        products = sum(n for op, n in counts[path].items() if "attention" in op or "bmm" in op)
        kind = CROSS if path.endswith("attn2") else SELF
        # Cross-attention's products grow with the image tokens, not with their square.
        pairs = products if kind == SELF else 0.0
        yield Unit(path, kind, total - pairs, pairs, *tokens.get(path, (0, 0)))
        return
    divided = hasattr(module, "resnets") or any(_attends(part) for part in module.modules())
    if total and not divided:
        yield Unit(path, OTHER, total)  # it runs or does not run as a whole
        return
    inside = 0.0
    for name, child in module.named_children():
        for unit in _units(child, f"{path}.{name}" if path else name, counts, tokens):
            inside += unit.linear + unit.pairs
            yield unit
    if total > inside:  # module lists are never called: they have no total of their own
        yield Unit(path, OTHER, total - inside)
