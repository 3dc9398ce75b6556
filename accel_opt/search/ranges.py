"""Ranges of an accelerator as a user narrowed or widened them."""

from __future__ import annotations

from collections.abc import Mapping

from accel_opt.core.dims import Dim
from accel_opt.core.errors import InputError, UnknownNameError


def narrowed(
    accelerator: str, dims: Mapping[str, Dim], ranges: Mapping[str, tuple[float, ...]]
) -> dict[str, Dim]:
    """The parameters of `accelerator`, those with the ranges given that are named in `ranges`.

    Raises:
        UnknownNameError: It has no such parameter.
        InputError: A range is none, or beyond what the parameter takes.
    """
    unknown = sorted(set(ranges) - set(dims))
    if unknown:
        raise UnknownNameError(f"parameter of {accelerator}", unknown[0], dims)
    result: dict[str, Dim] = {}
    for name, dim in dims.items():
        if name not in ranges:
            result[name] = dim
            continue
        try:
            result[name] = dim.narrowed(*ranges[name])
        except InputError as error:
            raise InputError(f"range of {accelerator}.{name}: {error}") from None
    return result
