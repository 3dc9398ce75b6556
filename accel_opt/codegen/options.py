"""How a generated program runs, where the entry does not say or somebody says otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from accel_opt.codegen.model import ModelSource
from accel_opt.core.errors import InputError
from accel_opt.results import Entry

DTYPES = ("float32", "float16", "bfloat16")


# What an entry's provenance says of them.
_MEASURED = (
    *("dtype", "resolution", "guidance_scale", "negative_prompt", "batch_size"),
    *("revision", "variant"),
)


@dataclass(frozen=True)
class ProgramOptions:
    """Options of a program; None takes what the entry was measured with, else the usual.

    Attributes:
        model: Hub id, folder or name to load instead of the entry's.
        device: "cuda", "cuda:1", "mps", "cpu"; None lets the program choose.
        dtype: "float32", "float16" or "bfloat16".
        resolution: Height and width in pixels.
        guidance_scale: Guidance.
        negative_prompt: The same for every prompt.
        batch_size: Prompts per call.
        seed: Seed of each batch.
        cache_dir: Where hub files are kept.
        revision: Branch, tag or commit of the model on the hub.
        variant: Its files' variant, such as "fp16".
        prompts: What the program generates when it is run without arguments; None takes one
            that the model knows.
    """

    model: str | None = None
    device: str | None = None
    dtype: str | None = None
    resolution: int | None = None
    guidance_scale: float | None = None
    negative_prompt: str | None = None
    batch_size: int | None = None
    seed: int = 42
    cache_dir: str | None = None
    revision: str | None = None
    variant: str | None = None
    prompts: tuple[str, ...] | None = None

    def completed(self, entry: Entry, model: ModelSource) -> ProgramOptions:
        """These options with what the entry says where they say nothing, all checked.

        Args:
            entry: What was found.
            model: Where the program's model comes from.

        Raises:
            InputError: A value makes no sense; the message names it.
        """
        measured = entry.provenance or {}
        filled: dict[str, Any] = {
            name: measured.get(name) for name in _MEASURED if getattr(self, name) is None
        }
        options = replace(self, model=self.model or entry.key.model, **filled)
        if options.guidance_scale is None:
            options = replace(options, guidance_scale=model.guidance_scale)
        if options.batch_size is None:
            options = replace(options, batch_size=4)
        if options.prompts is None:
            options = replace(options, prompts=(model.prompt,))
        _check(options)
        return options


def _check(options: ProgramOptions) -> None:
    if options.dtype is not None and options.dtype not in DTYPES:
        raise InputError(f"dtype={options.dtype!r:.60}: choose one of {', '.join(DTYPES)}")
    for name, least in (("resolution", 8), ("batch_size", 1), ("seed", 0)):
        value = getattr(options, name)
        if value is None and name == "resolution":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{name}={value!r:.60}: a whole number from {least} is expected")
    scale = options.guidance_scale
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not math.isfinite(scale):
        raise InputError(f"guidance_scale={scale!r:.60}: a number is expected, such as 7.5")
    for name in ("model", "device", "negative_prompt", "cache_dir", "revision", "variant"):
        value = getattr(options, name)
        if value is not None and not isinstance(value, str):
            raise InputError(f"{name}={value!r:.60}: a text is expected")
    if not all(isinstance(prompt, str) for prompt in options.prompts or ()):
        raise InputError(f"prompts={options.prompts!r:.60}: a list of texts is expected")
