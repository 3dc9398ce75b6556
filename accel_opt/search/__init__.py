"""Floor 3: the search. The only room that knows Optuna; nothing heavy is imported here.

`Space` says what is searched, `SearchPlan` how, `search` does it. Names resolve on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accel_opt.search.plan import SearchPlan
    from accel_opt.search.space import Space
    from accel_opt.search.study import SearchResult, search

__all__ = ["SearchPlan", "SearchResult", "Space", "search"]

_HOMES = {
    "SearchPlan": "accel_opt.search.plan",
    "SearchResult": "accel_opt.search.study",
    "Space": "accel_opt.search.space",
    "search": "accel_opt.search.study",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
