"""search_params.json as a whole: reading, writing, locking."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accel_opt.core.errors import CorruptFileError, InputError
from accel_opt.core.files import write_atomically
from accel_opt.results.entry import Entry
from accel_opt.results.key import EntryKey, parse_key
from accel_opt.results.names import canonical_config

LOCK_TIMEOUT_S = 300.0


@dataclass
class ParamsFile:
    """What a file holds; `raw` keeps everything, in its order, whether understood or not.

    Attributes:
        path: Where it lies.
        raw: The JSON object.
        entries: The entries that could be read, by the text of their key.
        unread: Why the others could not, by the text of their key.
    """

    path: Path
    raw: dict[str, Any] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    _texts: dict[EntryKey, dict[str, None]] = field(default_factory=dict, repr=False)
    _of_config: dict[tuple[str, str, int], dict[str, None]] = field(
        default_factory=dict, repr=False
    )

    def find(self, key: EntryKey) -> tuple[str, Entry] | None:
        """The entry whose key means the same, with the text of that key."""
        texts = self._texts.get(key)
        if not texts:
            return None
        exact = str(key)
        text = exact if exact in texts else next(iter(texts))
        return text, self.entries[text]

    def of_config(self, key: EntryKey) -> list[tuple[str, Entry]]:
        """The entries of a key's pipeline config, however their keys spell it."""
        texts = self._of_config.get(canonical_config(*key.config), {})
        return [(text, self.entries[text]) for text in texts]

    def take(self, text: str, entry: Entry) -> None:
        """Takes an entry in, as it stands in `raw`."""
        self.entries[text] = entry
        # Dictionaries for their order: the first of several keys that mean the same counts.
        self._texts.setdefault(entry.key, {})[text] = None
        self._of_config.setdefault(canonical_config(*entry.key.config), {})[text] = None

    def put(self, entry: Entry) -> str:
        """Stores an entry under its key, in the place of one that means the same."""
        found = self.find(entry.key)
        text = found[0] if found else str(entry.key)
        self.raw[text] = entry.to_json()
        self.unread.pop(text, None)
        self.take(text, entry)
        return text

    def drop(self, text: str) -> None:
        """Removes the entry under the text of a key."""
        entry = self.entries.pop(text)
        del self.raw[text]
        del self._texts[entry.key][text]
        del self._of_config[canonical_config(*entry.key.config)][text]

    def to_text(self) -> str:
        """The bytes that the old writer would have written, as text."""
        return json.dumps(self.raw, indent=4)


def read(path: str | Path, *, missing_ok: bool = False) -> ParamsFile:
    """Reads a search_params.json.

    Args:
        path: The file.
        missing_ok: Take a file that is not there as an empty one.

    Raises:
        InputError: There is no such file, or it cannot be opened.
        CorruptFileError: It is no JSON object; it is left as it is.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if missing_ok:
            return ParamsFile(path)
        raise InputError(
            f"no file {path}; a search writes one: accel-opt export --study NAME --out {path}"
        ) from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    file = ParamsFile(path, raw=_object(path, content))
    for text, value in file.raw.items():
        try:
            file.take(text, Entry.from_json(parse_key(text), value))
        except InputError as error:
            file.unread[text] = str(error)
    return file


def set_aside(path: str | Path) -> Path:
    """Moves a corrupt file away, so that a new one can begin; returns where it went."""
    path = Path(path)
    with locked(path):
        numbers = range(1, 1000)
        names = (path.with_name(f"{path.name}.corrupt-{n}") for n in numbers)
        free = next(name for name in names if not name.exists())
        try:
            return path.rename(free)
        except OSError as error:
            raise InputError(f"cannot move {path} to {free}: {error.strerror}") from error


@contextlib.contextmanager
def updating(path: str | Path) -> Iterator[ParamsFile]:
    """Reads, hands over and writes back a file under its lock.

    Nothing is written when the block raises, or when it changed nothing.
    """
    path = Path(path)
    with locked(path):
        file = read(path, missing_ok=True)
        before = file.to_text() if path.exists() else None
        yield file
        after = file.to_text()
        if after != before:
            write_atomically(path, after)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock that all writers of `path` take; it lies beside the file, hidden.

    Raises:
        InputError: The folder cannot be written to, or another process keeps the lock.
    """
    from filelock import FileLock, Timeout

    target = path.resolve()
    lock = target.with_name(f".{target.name}.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(lock, timeout=LOCK_TIMEOUT_S)
        held.acquire(poll_interval=0.01)
    except Timeout:
        raise InputError(
            f"another process has been writing {path} for {LOCK_TIMEOUT_S:.0f} s; try again later"
        ) from None
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; choose another folder") from error
    try:
        yield
    finally:
        held.release()


def _object(path: Path, content: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands there twice")
        return found

    try:
        data = json.loads(content.decode("utf-8-sig"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        why = "it is empty" if not content.strip() else str(error)
        raise _corrupt(path, why) from None
    if not isinstance(data, dict):
        raise _corrupt(path, f"it holds a {type(data).__name__}, not an object")
    return data


def _corrupt(path: Path, why: str) -> CorruptFileError:
    return CorruptFileError(
        f"{path} is no search_params.json: {why}. It was left as it was; mend it, name another "
        "file, or let it be moved aside with --move-aside"
    )
