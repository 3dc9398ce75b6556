"""How task texts spell models, samplers and accelerators, and how they are found there."""

from __future__ import annotations

import re
from collections.abc import Iterable

from accel_opt.accelerators import registry
from accel_opt.core.errors import UnknownNameError
from accel_opt.pipelines.catalogue import MODELS
from accel_opt.pipelines.schedulers import NICKNAMES

# As the catalogue writes them; those without a spelling of their own stand under their name.
SPELLINGS = {"deepcache": "DeepCache", "tgate": "T-Gate", "tome": "ToMe"}
_VARIANTS = {
    "deepcache": r"deep[ _-]?cache",
    "tgate": r"t[ _-]?gate",
    "tome": r"tome(?:sd)?",
}
# Letters of other scripts may touch a name, as in Chinese texts.
_BEFORE, _AFTER = r"(?<![A-Za-z0-9_+/-])", r"(?![A-Za-z0-9_+/-]|\.[A-Za-z0-9])"
_MODEL = re.compile(r"\b(?:an?|the)\s+([^\s,()]+)\s+(?:pipeline|model)\b", re.IGNORECASE)
_SAMPLER = (
    re.compile(r"\busing\s+(?:the\s+)?([^\s,()]+)(?=\s+with\s)", re.IGNORECASE),
    re.compile(r"([^\s,()]+)(?=\s+(?:sampler|scheduler)\b)", re.IGNORECASE),
    re.compile(r"\(\s*([^\s,()]+)(?=\s*[,;]?\s*[0-9]+\s*(?:-?steps|\u6b65))", re.IGNORECASE),
)


def spelling(accelerator: str) -> str:
    """An accelerator as task texts write it."""
    return SPELLINGS.get(accelerator, accelerator)


def listed(accelerators: tuple[str, ...]) -> str:
    """`A`, `A and B`, `A, B, and C`."""
    words = [spelling(name) for name in accelerators]
    if len(words) < 3:
        return " and ".join(words)
    return f"{', '.join(words[:-1])}, and {words[-1]}"


def named_accelerators(text: str, among: Iterable[str] | None = None) -> tuple[str, ...]:
    """Accelerators whose name stands in `text`, sorted.

    Args:
        text: Any text.
        among: Names to look for; None takes every registered accelerator.
    """
    names = registry.names() if among is None else among
    found = (n for n in names if _found(_VARIANTS.get(n, re.escape(n)), text))
    return tuple(sorted(found))


def scheduler_nickname(class_name: str) -> str:
    """The first nickname of a scheduler class; the class name when it has none."""
    return next((nick for nick, found in NICKNAMES.items() if found == class_name), class_name)


def find_model_name(text: str, *, strict: bool) -> tuple[str | None, str]:
    """The model that a text names, and the text without it.

    Args:
        text: A task text or a file name.
        strict: Whether it is a task text; in file names `_` may stand for `/`.

    Raises:
        UnknownNameError: With `strict`, "a ... pipeline" names no model that exists.
    """
    known = {n.lower(): m.name for m in MODELS.values() for n in (m.name, m.source, *m.aliases)}
    known.pop("", None)
    if not strict:
        known |= {name.replace("/", "_"): model for name, model in known.items()}
    for match in _MODEL.finditer(text):
        word = match.group(1)
        rest = _without(text, match.span(1))
        if word.lower() in known:
            return known[word.lower()], rest
        if _sampler_spelling(word) is not None or named_accelerators(word):
            continue
        if _is_place(word) or (not strict and (_is_name(word) or "_" in word)):
            return word, rest
        if strict and _is_name(word):
            hint = "Or give owner/name on the hub, or a folder with a / in it."
            raise UnknownNameError("model", word, MODELS, hint)
    # "shapes" is a word of every day: it means the model only before "pipeline".
    for name in sorted(known.keys() - {"shapes"}, key=lambda n: (-len(n), n)):
        found = _found(re.escape(name), text)
        if found:
            return known[name], _without(text, found.span())
    return None, text


def find_sampler(text: str) -> tuple[str | None, str]:
    """The sampler that a text names, and the text without it.

    Raises:
        UnknownNameError: "using the ... sampler" names none that exists.
    """
    unknown = ""
    for pattern in _SAMPLER:
        for match in pattern.finditer(text):
            name = _sampler_spelling(match.group(1))
            if name is not None:
                return name, _without(text, match.span(1))
            if pattern is not _SAMPLER[0] and _is_name(match.group(1)):
                unknown = unknown or match.group(1)
    if unknown and not named_accelerators(unknown):
        raise UnknownNameError("sampler", unknown, NICKNAMES)
    for name in sorted({*NICKNAMES, *NICKNAMES.values()}, key=lambda n: (-len(n), n)):
        found = _found(re.escape(name), text)
        if found:
            return name, _without(text, found.span())
    return None, text


def _sampler_spelling(word: str) -> str | None:
    """A sampler's name in the spelling of the table; class names stay class names."""
    known = {_plain(name): name for name in (*NICKNAMES.values(), *NICKNAMES)}
    if _plain(word) in known:
        return known[_plain(word)]
    return word if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*Scheduler", word) else None


def _found(pattern: str, text: str) -> re.Match[str] | None:
    return re.search(f"{_BEFORE}(?:{pattern}){_AFTER}", text, re.IGNORECASE)


def _without(text: str, span: tuple[int, int]) -> str:
    return " ".join((text[: span[0]] + text[span[1] :]).split())


def _is_name(word: str) -> bool:
    """Whether a word looks like a name ("FooNet", "SD9") rather than "fast" or "the"."""
    return bool(re.search(r"[A-Z0-9/]", word[1:]))


def _is_place(word: str) -> bool:
    """Whether a word can be a hub id or a folder."""
    return "/" in word and bool(re.search(r"\w", word))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9+]", "", name.lower())
