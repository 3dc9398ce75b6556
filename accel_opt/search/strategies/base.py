"""What every strategy sees and gives."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from accel_opt.search.ledger import Ledger
from accel_opt.search.plan import SearchPlan
from accel_opt.search.space import Point, Setting, Space

if TYPE_CHECKING:
    import optuna

# Spaces up to this many points are listed completely, equal settings merged.
LISTED = 4096
# How far the search for an unseen neighbour goes before it tries at random.
_NEAR = 3000
_DRAWS = 4000


@dataclass(frozen=True)
class View:
    """What a strategy may know; it keeps nothing else, so that a resumed search goes on alike.

    Attributes:
        space: What is searched.
        ledger: What is known.
        plan: Limits and seeds.
        rng: Fresh generator, seeded from the study's seed, the number told and pending.
        study: The study, for Optuna's own samplers.
    """

    space: Space
    ledger: Ledger
    plan: SearchPlan
    rng: np.random.Generator
    study: optuna.Study


@dataclass(frozen=True)
class Ending:
    """Why there is nothing more to try.

    Attributes:
        code: A word for programs: "exhausted", "converged", "infeasible".
        text: The same for people.
    """

    code: str
    text: str


EXHAUSTED = Ending("exhausted", "every setting of the space has been tried")
Proposal = Setting | Ending


class Strategy(Protocol):
    """Decides what to measure next.

    Attributes:
        name: Name in options.
        tells_pruned: Whether stopped trials are told PRUNED to Optuna.
    """

    name: str
    tells_pruned: bool

    def propose(self, view: View) -> Proposal:
        """The next setting, not yet evaluated or pending; or why there is none."""
        ...


def free(view: View, point: Point) -> Setting | None:
    """The setting at a point if it is possible and untried."""
    setting = view.space.resolve(point)
    if isinstance(setting, Setting) and not view.ledger.taken(setting.key):
        return setting
    return None


def untried(view: View) -> list[Setting] | None:
    """All settings left to try; None when the space is too large to list."""
    settings = view.space.distinct(LISTED)
    if settings is None:
        return None
    return [setting for setting in settings if not view.ledger.taken(setting.key)]


def presets(view: View) -> list[Setting]:
    """Presets that lie in the space and are untried, in their order."""
    found = {}
    for config in view.space.presets:
        point = view.space.encode(config)
        setting = free(view, point) if point is not None else None
        if setting:
            found[setting.key] = setting
    return list(found.values())


def nearest_free(view: View, start: Point) -> Proposal:
    """The untried setting fewest steps away from a point, ties in random order."""
    seen, queue = {start}, deque([start])
    while queue and len(seen) < _NEAR:
        near = view.space.neighbours(queue.popleft())
        view.rng.shuffle(near)
        for row in near:
            point = tuple(int(level) for level in row)
            if point in seen:
                continue
            seen.add(point)
            setting = free(view, point)
            if setting:
                return setting
            queue.append(point)
    return any_free(view)


def any_free(view: View) -> Proposal:
    """An untried setting at random; exhausted only when that is certain or all but certain."""
    left = untried(view)
    if left is not None:
        return left[int(view.rng.integers(len(left)))] if left else EXHAUSTED
    for row in view.space.sample(view.rng, _DRAWS):
        setting = free(view, tuple(int(level) for level in row))
        if setting:
            return setting
    return EXHAUSTED
