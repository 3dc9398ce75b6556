"""Prompts and seeds that no program can have seen: drawn once it runs, from the system's noise."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import lru_cache

from accel_opt.core.errors import InputError
from accel_opt.prompts import load_prompts

_MOST_SEED = 2**31 - 100_000
# Prompts to draw from; a source that holds fewer gives all it has.
_POOL = 1000


@lru_cache(maxsize=4)
def pool(source: str) -> tuple[str, ...]:
    """Prompts to draw from.

    Raises:
        InputError: Unknown source, or too few prompts in it.
    """
    wanted = _POOL
    while True:
        try:
            found = load_prompts(source, wanted, 2)
        except InputError:
            if wanted < 8:
                raise
            wanted //= 2
        else:
            return (*found.search, *found.heldout)


class Draw:
    """Batches of prompts with their seeds; no prompt comes twice before all have come.

    Args:
        prompts: Prompts to draw from.
    """

    def __init__(self, prompts: Sequence[str]) -> None:
        self._prompts = tuple(prompts)
        self._left: list[str] = []
        self._random = secrets.SystemRandom()

    def batch(self, size: int) -> tuple[list[str], int]:
        """`size` prompts and the seed of their first call."""
        texts = []
        for _ in range(size):
            if not self._left:
                self._left = list(self._prompts)
                self._random.shuffle(self._left)
            texts.append(self._left.pop())
        return texts, secrets.randbelow(_MOST_SEED)

    def coin(self) -> bool:
        """Heads or tails."""
        return bool(secrets.randbits(1))
