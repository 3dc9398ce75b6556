"""Prompt sets: embedded captions, COCO, another data set, or a file.

The search and the held-out part never share a text: what a winner is confirmed on was never
seen by the search that found it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from accel_opt import shapes
from accel_opt.core.errors import InputError
from accel_opt.prompts import files, rows


@dataclass(frozen=True)
class PromptSet:
    """Prompts of a study.

    Attributes:
        source: Where they come from, as a person would write it.
        search: Prompts of search trials, in order.
        heldout: Prompts of the confirmation, none of them in `search`.
    """

    source: str
    search: tuple[str, ...]
    heldout: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Twelve hex digits that name exactly these prompts in this order."""
        text = json.dumps([self.search, self.heldout], ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_prompts(source: str, n_search: int, n_heldout: int, seed: int = 42) -> PromptSet:
    """Prompts from a named source.

    Args:
        source: "embedded"; "coco" (first caption of each image of COCO 2017 validation); a
            .txt file (one prompt a line), a .jsonl file (strings, or objects with "prompt",
            "caption" or "text"); a folder or Parquet file of a data set; or "owner/dataset" on
            the hub. A column other than the usual ones is named after a colon:
            "owner/dataset:column".
        n_search: Prompts of the search part, at least 1.
        n_heldout: Prompts of the held-out part; fewer are returned when the source ends.
        seed: Seed of the shuffle that splits the embedded captions and files. Data sets keep
            their order: the first prompts of COCO are those that results were always taken on.

    Raises:
        InputError: Unknown source, missing column, or too few prompts.
        HubUnreachableError: The data set is neither cached nor reachable.
    """
    if n_search < 1 or n_heldout < 0:
        raise InputError(f"--prompts {n_search}: at least 1 is needed to search on")
    texts = _texts(source, n_search + n_heldout, seed)
    if len(texts) < n_search + 2:
        raise InputError(
            f"{source} holds {len(texts)} distinct prompts; {n_search} for the search and at "
            f"least 2 held out are needed. Ask for fewer with --prompts {max(len(texts) // 2, 1)}"
        )
    # A short source is shared out in proportion rather than starving the held-out part.
    half = min(n_search, max(len(texts) - n_heldout, len(texts) // 2, 1))
    if half < n_search:
        raise InputError(
            f"{source} holds {len(texts)} distinct prompts, too few for {n_search} to search on "
            f"and {n_heldout} held out; ask for fewer with --prompts {half}"
        )
    return PromptSet(source, tuple(texts[:half]), tuple(texts[half : half + n_heldout]))


def _texts(source: str, n: int, seed: int) -> list[str]:
    """Distinct prompts of a source: all of it shuffled, or the first n in its order."""
    if source == "embedded":
        # Captions that the embedded models were not trained on come first, for both parts.
        unseen = shapes.heldout_captions()
        rest = shapes.captions()[len(unseen) :]
        return _distinct([*_shuffled(unseen, seed), *_shuffled(rest, seed)])
    if source == "coco":
        return _distinct(rows.texts_of(rows.COCO, "captions"), n)
    where, column = _parted(source)
    path = Path(where).expanduser()
    if path.suffix in files.SUFFIXES:
        return _shuffled(files.texts_of(path, column), seed)
    if path.is_dir() or path.suffix == ".parquet":
        if not path.exists():
            raise InputError(f"no file {path}; give a Parquet file or a folder of them")
        return _distinct(rows.texts_of(str(path), column), n)
    if where.count("/") in (1, 2) and all(where.split("/")) and not where.startswith("."):
        return _distinct(rows.texts_of(where, column), n)
    raise InputError(
        f"prompts_from={source!r}: give 'embedded', 'coco', a .txt or .jsonl file, a folder of "
        "Parquet files, or a data set as owner/name:column"
    )


def _parted(source: str) -> tuple[str, str | None]:
    """The source and the column after its last colon."""
    where, colon, column = source.rpartition(":")
    if not colon or not where or "/" in column or not column:
        return source, None
    return where, column


def _shuffled(texts: Iterable[str], seed: int) -> list[str]:
    distinct = _distinct(texts)
    Random(seed).shuffle(distinct)  # noqa: S311 - a split, not a secret
    return distinct


def _distinct(texts: Iterable[str], n: int | None = None) -> list[str]:
    """The first `n` texts that differ in more than case, spaces and a full stop."""
    seen: dict[str, str] = {}
    for text in texts:
        seen.setdefault(" ".join(text.split()).casefold().rstrip(" ."), text)
        if len(seen) == n:
            break
    return list(seen.values())
