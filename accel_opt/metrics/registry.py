"""The table of metrics; packages of others add theirs through `accel_opt.metrics`."""

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


def metric_names() -> tuple[str, ...]:
    """Names of every metric, built in or from other packages, sorted."""
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
    return table
