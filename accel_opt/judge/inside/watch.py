"""Watches a pipeline's calls and gives each a fresh seed, whatever the program has chosen.

Latents are drawn in `prepare_latents`, which every text-to-image pipeline has; seeding there
reaches programs that fix a seed of their own, and methods that packages add to the pipeline.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from accel_opt.accelerators.detect import Call


class EnoughError(Exception):
    """Ends a call whose images nobody wants."""


class Watch:
    """Hooks around one pipeline.

    Args:
        pipe: The pipeline.

    Attributes:
        calls: Calls since `begin`.
        sizes: Number of prompts of each of them.
        generator: Kind of generator that the last one used.
        stop_early: Whether calls end once their latents are drawn.
        on_latents: Called each time before latents are drawn.
    """

    def __init__(self, pipe: Any) -> None:
        self.calls: list[Call] = []
        self.sizes: list[int] = []
        self.generator = "none"
        self.stop_early = False
        self.on_latents: Callable[[], object] = lambda: None
        self._seed = 0
        self._watch_class(type(pipe))
        for name, value in list(vars(pipe).items()):
            if callable(value) and _takes_steps(value):
                setattr(pipe, name, self._noting(value, name, bound=True))
        self._watch_latents(pipe)

    def begin(self, seed: int) -> None:
        """Forgets the calls so far; the next ones take `seed`, `seed + 1`, ..."""
        self.calls.clear()
        self.sizes.clear()
        self._seed = seed

    def _watch_class(self, kind: type) -> None:
        # A call looks its method up in the class, not in the pipeline.
        noting = self._noting(vars(kind).get("__call__", kind.__call__), "__call__", bound=False)
        type.__setattr__(kind, "__call__", noting)

    def _noting(self, original: Any, name: str, *, bound: bool) -> Any:
        signature = inspect.signature(original)

        @functools.wraps(original)
        def method(*args: Any, **kwargs: Any) -> Any:
            arguments = signature.bind(*args, **kwargs)
            arguments.apply_defaults()
            found = dict(arguments.arguments)
            if not bound:
                found.pop(next(iter(found)))
            self.calls.append(Call(name, getattr(original, "__module__", ""), found))
            return original(*args, **kwargs)

        return method

    def _watch_latents(self, pipe: Any) -> None:
        original = pipe.prepare_latents
        signature = inspect.signature(original)

        @functools.wraps(original)
        def prepare_latents(*args: Any, **kwargs: Any) -> Any:
            self.sizes.append(int(signature.bind(*args, **kwargs).arguments["batch_size"]))
            generator = signature.bind(*args, **kwargs).arguments.get("generator")
            self.generator = kind_of(generator)
            reseed(generator, self._seed + len(self.sizes) - 1)
            self.on_latents()
            if self.stop_early:
                raise EnoughError
            return original(*args, **kwargs)

        pipe.prepare_latents = prepare_latents


def kind_of(generator: Any) -> str:
    """The generator's device, "each:" before it where every image has its own; else "none"."""
    if generator is None:
        return "none"
    if isinstance(generator, list | tuple):
        return f"each:{generator[0].device}"
    return str(generator.device)


def reseed(generator: Any, seed: int) -> None:
    """Seeds what a call draws from."""
    if isinstance(generator, list | tuple):
        for number, one in enumerate(generator):
            one.manual_seed(seed + 7919 * number)
    elif generator is not None:
        generator.manual_seed(seed)
    else:
        import torch

        torch.manual_seed(seed)


def make(kind: str, size: int, seed: int) -> Any:
    """A generator of the kind, seeded as `reseed` would; None draws from torch's own."""
    import torch

    if kind == "none":
        torch.manual_seed(seed)
        return None
    device = kind.removeprefix("each:")
    made = [torch.Generator(device) for _ in range(size)]
    generator = made if kind.startswith("each:") else made[0]
    reseed(generator, seed)
    return generator


def _takes_steps(value: Any) -> bool:
    try:
        return "num_inference_steps" in inspect.signature(value).parameters
    except (TypeError, ValueError):
        return False
