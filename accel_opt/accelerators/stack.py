"""Several accelerators at once: their order, which pairs exclude each other, their barriers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import combinations
from typing import Any

from accel_opt.accelerators import registry
from accel_opt.accelerators.base import (
    CACHES_ATTENTION,
    DROPS_GUIDANCE,
    KEEPS_STATE_IN_DIFFUSERS,
    MERGES_TOKENS,
    SKIPS_BLOCKS,
    Accelerator,
    CodeLines,
)
from accel_opt.accelerators.handle import Handle, install
from accel_opt.accelerators.model import (
    denoiser_of,
    hooks_refusal,
    is_compiled,
    model_info,
    run_info,
)
from accel_opt.accelerators.together import barriers_of, composed_work, hook_lines
from accel_opt.accelerators.work import Denoiser, count, countable
from accel_opt.core.config import Config
from accel_opt.core.dims import Dim
from accel_opt.core.errors import RefusedError
from accel_opt.core.run import Refusal, RunInfo

__all__ = [
    "applied", "apply", "canonical", "code", "countable", "model_info", "order",
    "relative_work", "run_info", "space", "supports", "work",
]  # fmt: skip

# Innermost first. Skipped blocks must lie inside the halved batch, or their memory has the wrong
# shape at the gate; merged tokens must lie inside cached attention, or the next step unmerges
# with another matching than the one that the cache was merged with.
_DEPTH = {SKIPS_BLOCKS: 10, MERGES_TOKENS: 20, CACHES_ATTENTION: 30, DROPS_GUIDANCE: 40}
_DEPTH_OF_OTHERS = 15

# Two with the same of these traits do each other's work twice, or wrongly.
_ONE_OF_EACH = {
    SKIPS_BLOCKS: "both skip blocks, and one would remember what the other remembered",
    MERGES_TOKENS: "both merge tokens",
    CACHES_ATTENTION: "both keep attention outputs",
    DROPS_GUIDANCE: "both drop guidance: the second has no half left to drop",
    KEEPS_STATE_IN_DIFFUSERS: "both keep state in diffusers' hooks, which forget all at once",
}

# Where the number of steps is not known yet: the longest schedule there is.
_MOST_STEPS = 1000


def order(names: Iterable[str]) -> tuple[Accelerator, ...]:
    """The accelerators in the order of application, innermost first; removal is the reverse."""

    def depth(accelerator: Accelerator) -> tuple[int, str]:
        depths = [_DEPTH[trait] for trait in accelerator.traits if trait in _DEPTH]
        return max(depths, default=_DEPTH_OF_OTHERS), accelerator.name

    return tuple(sorted((registry.get(name) for name in names), key=depth))


def supports(names: Iterable[str], pipe: Any) -> Refusal | None:
    """Why these accelerators cannot run together on `pipe`, or None when they can."""
    members = order(names)
    denoiser = denoiser_of(pipe)
    if denoiser is None:
        return Refusal(f"{type(pipe).__name__} has neither a UNet nor a transformer")
    if is_compiled(denoiser):
        return Refusal("the denoiser is compiled, and hooks would be ignored; pass it uncompiled")
    standing = hooks_refusal(pipe)
    if standing:
        return standing
    for member in members:
        refusal = member.supports(pipe)
        if refusal:
            return Refusal(f"{member.name}: {refusal.reason}")
    return _clash(members)


def canonical(config: Config, run: RunInfo) -> Config | Refusal:
    """The normal form of a valid config: equal computations give equal forms.

    Args:
        config: Parameters by accelerator.
        run: Steps, guidance and the model's shape.

    Raises:
        UnknownNameError: An accelerator that is not registered.
        InputError: A parameter is missing, unknown, or of another type.
    """
    members = order(config)
    clash = _clash(members)
    if clash:
        return clash
    forms = {}
    for member in members:
        form = member.canonical(config[member.name], run)
        if isinstance(form, Refusal):
            return Refusal(f"{member.name}: {form.reason}")
        forms[member.name] = form
    return Config(forms)


def apply(pipe: Any, config: Config | Mapping[str, Any], run: RunInfo | None = None) -> Handle:
    """Puts a config on a pipeline.

    Args:
        pipe: A diffusers pipeline.
        config: Parameters by accelerator.
        run: The run it shall be valid for; without it, steps are taken to be as many as needed.

    Raises:
        RefusedError: It cannot run on this pipeline, in this run, or something is on already.
    """
    config = config if isinstance(config, Config) else Config(config)
    if not config:
        raise RefusedError("the config is empty; name at least one accelerator")
    members = order(config)
    refusal = supports(config, pipe)
    if run is None and not refusal:
        run = RunInfo(_MOST_STEPS, scheduler=type(pipe.scheduler).__name__, model=model_info(pipe))
    form = refusal or canonical(config, run)  # type: ignore[arg-type]
    if isinstance(form, Refusal):
        raise RefusedError(form.reason)
    assert run is not None  # noqa: S101
    params = {member.name: member.parse(config[member.name]) for member in members}
    parsed = Config(params)
    appliers = [partial(member.apply, pipe, params[member.name]) for member in members]
    return install(pipe, parsed, appliers, barriers_of(members, parsed, run))


def applied(pipe: Any, config: Config | Mapping[str, Any], run: RunInfo | None = None) -> Handle:
    """The same, by the name that reads well in a `with` statement."""
    return apply(pipe, config, run)


def space(names: Iterable[str], run: RunInfo) -> dict[str, dict[str, Dim]]:
    """Default search ranges that follow the run and its model, in order of application."""
    return {member.name: member.ranges(run) for member in order(names)}


def code(config: Config, run: RunInfo) -> CodeLines:
    """The lines of a standalone program that applies `config`.

    One accelerator is applied by its public package where that can do the run; several, and
    those without a package, by our hooks, whose source the program then carries.

    Raises:
        InputError: An accelerator of the config has no source to carry.
    """
    members = order(config)
    if len(members) == 1:
        lines = members[0].code(config[members[0].name], run)
        if lines is not None:
            return lines
    return hook_lines(members, config, run)


def hook_code(config: Config, run: RunInfo) -> CodeLines:
    """As `code`, with our hooks also for a single accelerator."""
    return hook_lines(order(config), config, run)


def work(config: Config, run: RunInfo, denoiser: Denoiser) -> float:
    """FLOPs of the denoiser in one image's run under `config`."""
    return composed_work(order(config), config, run, denoiser)


def relative_work(
    config: Config, run: RunInfo, pipe: Any, height: int | None = None, width: int | None = None
) -> float:
    """FLOPs under `config` over those of the plain pipeline: 0.5 is half the work.

    Args:
        config: Parameters by accelerator.
        run: Steps, guidance and the model's shape.
        pipe: The pipeline, whose denoiser is counted the first time.
        height: Rows of latents; the model's own when not given.
        width: Columns of latents.

    Raises:
        RefusedError: It is not known how to count this denoiser.
    """
    denoiser = count(pipe, height, width)
    return work(config, run, denoiser) / work(Config(), run, denoiser)


def _clash(members: Iterable[Accelerator]) -> Refusal | None:
    for one, other in combinations(members, 2):
        for trait in sorted(one.traits & other.traits & _ONE_OF_EACH.keys()):
            return Refusal(f"{one.name} and {other.name}: {_ONE_OF_EACH[trait]}; leave one out")
    return None
