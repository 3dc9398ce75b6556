"""Strategies by name."""

from __future__ import annotations

from accel_opt.core.errors import UnknownNameError
from accel_opt.search.plan import STRATEGIES
from accel_opt.search.strategies.base import Ending, Proposal, Strategy, View
from accel_opt.search.strategies.gp import ModelGuided
from accel_opt.search.strategies.optuna_own import OptunaSampler
from accel_opt.search.strategies.simple import Enumerate, Random, Traversal

__all__ = ["Ending", "Proposal", "Strategy", "View", "make"]


def make(name: str) -> Strategy:
    """The strategy of a name.

    Raises:
        UnknownNameError: There is none of that name.
    """
    if name in ("auto", "gp"):
        return ModelGuided()
    if name in ("tpe", "optuna-gp"):
        return OptunaSampler(name)
    if name in ("traversal", "traversal-skip"):
        return Traversal(skip=name == "traversal-skip")
    simple: dict[str, type[Strategy]] = {"random": Random, "enumerate": Enumerate}
    if name not in simple:
        raise UnknownNameError("strategy", name, STRATEGIES)
    return simple[name]()
