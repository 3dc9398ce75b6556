"""The exception tree.

AccelOptError
    InputError            what a person typed or handed over is wrong (exit status 2)
        UnknownNameError      a name that is in no table; carries the nearest ones
        RefusedError          an accelerator cannot run on this pipeline with these parameters
        MissingPackageError   an optional package is not installed
        CorruptFileError      a file is not what its name says; it is left as it was
        StudyMismatchError    a study of that name exists under other conditions
        HubUnreachableError   a model or data set is neither cached nor reachable
    EvaluationError       a setting could not be measured; the trial fails, the search goes on
        OutOfMemoryError      the device ran out of memory
        BadImagesError        NaN, black, constant or duplicate images
    ExportRefusedError    nothing confirmed, or an entry of another provenance stands there
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AccelOptError(Exception):
    """Base of every error that accel_opt raises on purpose."""


class InputError(AccelOptError, ValueError):
    """Bad input: the message names the value, what is allowed and what to type next."""


class UnknownNameError(InputError):
    """A name that is in no table.

    Args:
        kind: What was looked for ("accelerator", "model", ...).
        name: The name that was given.
        known: The names that exist.
        hint: What to type to see them all.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        guess = f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        allowed = f" Known: {', '.join(names)}." if names else ""
        super().__init__(f"unknown {kind} {name!r}{guess}{allowed}{' ' + hint if hint else ''}")
        self.kind, self.name, self.nearest = kind, name, tuple(near)


class RefusedError(InputError):
    """An accelerator cannot run on this pipeline, or not with these parameters."""


class MissingPackageError(InputError, ImportError):
    """An optional package is missing.

    Args:
        package: The distribution that is missing.
        purpose: What it is needed for.
        install: What to type to get it.
    """

    def __init__(self, package: str, purpose: str, install: str = "") -> None:
        command = install or f"pip install {package}"
        super().__init__(f"{purpose} needs the package {package!r}, not installed. Try: {command}")
        self.package = package


class CorruptFileError(InputError):
    """A file cannot be read as what it should be; it has been left untouched."""


class StudyMismatchError(InputError):
    """A study of this name exists, measured under other conditions."""


class HubUnreachableError(InputError):
    """A model or data set is neither in the cache nor reachable."""


class EvaluationError(AccelOptError, RuntimeError):
    """A setting could not be measured; `reason` is a short word kept with the trial."""

    reason = "error"


class OutOfMemoryError(EvaluationError):
    """The device ran out of memory while a setting was measured."""

    reason = "out_of_memory"


class BadImagesError(EvaluationError):
    """Images that no score may judge: NaN, black, constant, or equal for unlike prompts."""

    reason = "bad_images"


class ExportRefusedError(AccelOptError):
    """Nothing to export, or an entry of another provenance stands under the same key."""
