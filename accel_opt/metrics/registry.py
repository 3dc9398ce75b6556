"""Which metrics there are: the built-in ones, those of other people's packages, and registered."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points

from accel_opt.core.errors import InputError, MissingPackageError, UnknownNameError
from accel_opt.metrics.base import Metric

GROUP = "accel_opt.metrics"
_BUILT_IN = {
    "clip": "accel_opt.metrics.clip_score:ClipScore",
    "lpips": "accel_opt.metrics.lpips:Lpips",
    "psnr": "accel_opt.metrics.psnr:Psnr",
    "ssim": "accel_opt.metrics.ssim:Ssim",
}
_REGISTERED: dict[str, type[Metric]] = {}


def register(metric: type[Metric]) -> None:
    """Adds a metric for this process; the entry point group is what other processes see.

    Raises:
        InputError: It is no Metric, has no name or unit, or its name is taken.
    """
    if not (isinstance(metric, type) and issubclass(metric, Metric)):
        raise InputError(f"{metric!r} is no Metric; derive a class from it and give that")
    for attribute in ("name", "unit"):
        if not getattr(metric, attribute, ""):
            raise InputError(f"metric {metric.__name__} has no {attribute}; give it one")
    standing = _table().get(metric.name)
    if standing is not None:
        raise InputError(
            f"metric {metric.name!r} is registered twice: by {standing} and by "
            f"{_place(metric)}; rename one"
        )
    _REGISTERED[metric.name] = metric


def metric_names() -> tuple[str, ...]:
    """Names of every metric, built in, registered or from other packages, sorted."""
    return tuple(sorted(_table()))


def get_metric(name: str) -> type[Metric]:
    """The class of a metric.

    Raises:
        UnknownNameError: No such metric.
        MissingPackageError: Its module needs a package that is not installed. What a metric
            imports on use only is checked when it is constructed.
        InputError: What another package registered is no metric of that name.
    """
    table = _table()
    if name not in table:
        raise UnknownNameError("metric", name, table)
    if name in _REGISTERED:
        return _REGISTERED[name]
    module, _, attribute = table[name].partition(":")
    try:
        found = getattr(import_module(module), attribute, None)
    except ModuleNotFoundError as error:
        raise MissingPackageError(str(error.name), f"metric {name}") from error
    if not (isinstance(found, type) and issubclass(found, Metric) and found.name == name):
        raise InputError(f"{table[name]} is registered as metric {name!r}, and is no such Metric")
    return found


def _table() -> dict[str, str]:
    table = dict(_BUILT_IN)
    for point in entry_points(group=GROUP):
        if table.get(point.name, point.value) != point.value:
            raise InputError(
                f"metric {point.name!r} is registered twice, as {table[point.name]} and as "
                f"{point.value}; uninstall one of the packages"
            )
        table[point.name] = point.value
    return table | {name: _place(metric) for name, metric in _REGISTERED.items()}


def _place(metric: type[Metric]) -> str:
    return f"{metric.__module__}:{metric.__qualname__}"
