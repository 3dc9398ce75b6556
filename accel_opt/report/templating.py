"""The templates' surroundings: escaping always on, one script known by its hash, no network."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from accel_opt.report import words

_FOLDER = Path(__file__).parent / "templates"


@lru_cache(maxsize=2)
def _environment(*, escaping: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=escaping,  # noqa: S701 - off for Markdown only
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for name in (
        "number",
        "times",
        "loss",
        "allowed",
        "spread",
        "loss_spread",
        "seconds",
        "seconds_spread",
    ):
        environment.filters[name] = getattr(words, name)
    environment.filters["duration"] = words.duration
    environment.filters["outcome"] = lambda word: words.OUTCOMES.get(word, word)
    environment.filters["cell"] = lambda text: " ".join(str(text).replace("|", r"\|").split())
    return environment


def html(template: str, **values: Any) -> str:
    """A page; every value is escaped unless it is `Markup` of our own making."""
    script = _asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Nothing may be loaded from anywhere: images and styles stand in the page itself.
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return (
        _environment(escaping=True)
        .get_template(template)
        .render(
            style=Markup(_asset("page.css")),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            policy=policy,
            **values,
        )
    )


def markdown(template: str, **values: Any) -> str:
    """A Markdown text."""
    return _environment(escaping=False).get_template(template).render(**values)


def _asset(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
