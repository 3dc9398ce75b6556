"""The contract of an accelerator; built-in and foreign ones fulfil the same.

To add a technique, write one class in one file and name it in `registry.py` (or in the entry
point group `accel_opt.accelerators` of your own package). The suite in `accel_opt.testing` says
whether it keeps the contract.

An accelerator changes the pipeline's own objects only: its modules, their attributes, its
scheduler. Classes of torch, transformers and diffusers and functions of torch are never patched:
scores are computed in another thread, by other models of the same classes, while an accelerator
may be on.

A file must be importable without torch: its names and ranges are read by `accel-opt --help`.
"""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from accel_opt.accelerators.detect import Call, noted
from accel_opt.accelerators.handle import Handle, install
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.accelerators.work import Work
from accel_opt.core.config import Config, Params
from accel_opt.core.dims import Dim, Number
from accel_opt.core.errors import InputError, RefusedError
from accel_opt.core.run import Refusal, RunInfo

# What stack.py must know to run techniques together; see there for orders and pair rules.
SKIPS_BLOCKS = "skips blocks on some steps"
MERGES_TOKENS = "merges tokens around attention"
CACHES_ATTENTION = "caches attention across steps"
DROPS_GUIDANCE = "drops guidance in mid-run, which halves the batch"
KEEPS_STATE_IN_DIFFUSERS = "keeps its state in diffusers' hooks"


@dataclass(frozen=True)
class Preset:
    """Settings that somebody has published.

    Attributes:
        params: The parameters.
        source: Where they are from, and what was measured there.
    """

    params: Mapping[str, Number]
    source: str


@dataclass(frozen=True)
class CodeLines:
    """The lines of a standalone program that put accelerators on the variable `pipe`.

    A program reads: `imports`; `definitions`; then, where `pipe` is built, `setup`; then, before
    *each* generation, `before_call`; then `{call}(prompt, ..., **call_arguments)`.

    Attributes:
        imports: Import lines; those of `__future__` first.
        definitions: Top-level source (our hooks), empty when a public package does the work.
        setup: Lines after the pipeline stands and is on its device.
        before_call: Lines before each call.
        call: What is called instead of `pipe`.
        call_arguments: Keyword arguments that the call takes besides its own.
        packages: Distributions that the program needs besides torch and diffusers.
    """

    imports: tuple[str, ...] = ()
    definitions: str = ""
    setup: tuple[str, ...] = ()
    before_call: tuple[str, ...] = ()
    call: str = "pipe"
    call_arguments: Mapping[str, Number] | None = None
    packages: tuple[str, ...] = ()


class Accelerator(ABC):
    """One technique. Subclasses carry no state: one instance serves every pipeline.

    Attributes:
        name: Name in configs, options and files.
        requires: Distributions that `code` imports; applying needs none of them.
        reference: Paper or page.
        params: Parameters with their default search ranges, the first being the one whose mild
            end lies next to "off". Names are unique over all accelerators of this package.
        presets: Published settings.
        traits: What `stack.py` must know, from the constants above.
        hooks: Class whose instances `hooks(run, **params)` put the technique on a pipeline; it
            must stand on its own, as generated programs carry its source. None when `apply`
            is overridden by something that has no such source. With `halves_apart = True`, in
            the class or in an instance, it says that what it remembers is kept by `run.half`, for
            pipelines that call the halves of guidance in turn; without, it is stopped there.
        hook_parts: Functions and classes that `hooks` uses, for the same purpose.
    """

    name: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()
    reference: ClassVar[str] = ""
    params: ClassVar[Mapping[str, Dim]]
    presets: ClassVar[tuple[Preset, ...]] = ()
    traits: ClassVar[frozenset[str]] = frozenset()
    hooks: ClassVar[Callable[..., object] | None] = None
    hook_parts: ClassVar[tuple[Callable[..., object], ...]] = ()

    @abstractmethod
    def supports(self, pipe: Any) -> Refusal | None:
        """Why the technique cannot run on this pipeline, or None when it can."""

    @abstractmethod
    def canonical(self, params: Params, run: RunInfo) -> dict[str, Number] | Refusal:
        """The normal form of valid parameters; equal forms are the same computation.

        The normal form is a valid setting itself: it is what is run and stored.

        Args:
            params: One value per parameter.
            run: Steps, guidance and the model's shape.

        Returns:
            The normal form, or a Refusal that names the value, what is allowed and what to do:
            for values out of bounds and for settings without effect in this run.
        """

    def apply(self, pipe: Any, params: Params, run: LiveRun) -> None:
        """Puts the technique on `pipe`; never undoes anything, the guard does that.

        Args:
            pipe: A pipeline that `supports` has let pass.
            params: Valid parameters.
            run: The pipeline's current run; caches are dropped through `run.on_reset`.
        """
        del pipe  # the run knows it
        if self.hooks is None:
            raise NotImplementedError(f"{type(self).__name__} has neither `hooks` nor `apply`")
        run.put(self.hooks, **params)

    def ranges(self, run: RunInfo) -> dict[str, Dim]:
        """The default search ranges, narrowed to what this model and run can use."""
        del run
        return dict(self.params)

    def barriers(self, params: Params, run: RunInfo) -> frozenset[int]:
        """Calls at which every cache below must be filled anew."""
        del params, run
        return frozenset()

    def work(self, params: Params, run: RunInfo, table: Work) -> Work:
        """The table of FLOPs by step and unit as the technique changes it."""
        del params, run
        return table

    def code(self, params: Params, run: RunInfo) -> CodeLines | None:
        """A program's lines that use the public package, or None where it cannot do this run."""
        del params, run
        return None

    def detect(self, pipe: Any, call: Call) -> dict[str, Number] | Refusal | None:
        """Whether the technique is at work on a pipeline that somebody else has set up.

        Our own hooks are found here; a plugin whose package does it too looks for its traces.

        Args:
            pipe: A pipeline that has just run.
            call: The call that it ran by.

        Returns:
            Its parameters; None where it is off; a Refusal where it is on in a way that `apply`
            cannot repeat.
        """
        del call
        return noted(pipe).get(getattr(self.hooks, "__name__", ""))

    def steady(self, pipe: Any) -> None:
        """Makes the next run of the package's technique draw what `apply` would draw.

        Called within each run of a pipeline on which `detect` has found it.
        """
        del pipe

    def hook_source(self) -> str | None:
        """Source of `hooks` and its parts, for programs that carry it; None without hooks."""
        if self.hooks is None:
            return None
        return "\n\n".join(source_of(part) for part in (*self.hook_parts, self.hooks))

    def hook_line(self, params: Params) -> str | None:
        """The line that puts the hooks on, with `run` (a LiveRun) in scope."""
        if self.hooks is None:
            return None
        arguments = "".join(f", {name}={params[name]!r}" for name in self.params)
        return f"run.put({getattr(self.hooks, '__name__', '')}{arguments})"

    def parse(self, params: Params) -> dict[str, Number]:
        """Every parameter as its dimension's type, in the order of `params`.

        Raises:
            InputError: A parameter is missing, unknown, or of another type.
        """
        unknown = sorted(set(params) - set(self.params))
        missing = sorted(set(self.params) - set(params))
        if unknown or missing:
            wrong = ", ".join([f"unknown {p!r}" for p in unknown] + [f"no {p!r}" for p in missing])
            raise InputError(f"{self.name}: {wrong}; it takes {', '.join(self.params)}")
        parsed: dict[str, Number] = {}
        for name, dim in self.params.items():
            try:
                parsed[name] = dim.parse(params[name])
            except InputError as error:
                raise InputError(f"{self.name}.{name}: {error}") from None
        return parsed

    def applied(self, pipe: Any, params: Params) -> Handle:
        """Puts this technique alone on `pipe`: `with plugin.applied(pipe, params) as call:`.

        Validity against the number of steps is `canonical`'s affair: steps are known per call.

        Raises:
            RefusedError: The pipeline is not supported, or accelerated already.
            InputError: A parameter is missing, unknown, or of another type.
        """
        parsed = self.parse(params)
        refusal = self.supports(pipe)
        if refusal:
            raise RefusedError(f"{self.name}: {refusal.reason}")
        config = Config({self.name: parsed})
        return install(pipe, config, [lambda run: self.apply(pipe, parsed, run)])


def source_of(thing: Any) -> str:
    """Source of a class or function as a program carries it: that imports torch at its top."""
    return re.sub(r"(?m)^ +import torch.*\n+", "", inspect.getsource(thing))
