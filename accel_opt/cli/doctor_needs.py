"""What `accel-opt doctor` says of the things a search fetches: scorers and prompts."""

from __future__ import annotations

from typing import Any

from accel_opt.cli.doctor_model import check

_OTHER_WAYS = {
    "clip": "; or --scorer with a folder that has a CLIP; --model shapes brings its own",
}


def hub() -> dict[str, Any]:
    """Whether the hub answers; `ok` is None where it is away."""
    import urllib.error
    import urllib.request

    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return check(None, "hub", "offline by HF_HUB_OFFLINE; only cached models load")
    try:
        request = urllib.request.Request(constants.ENDPOINT, method="HEAD")  # noqa: S310
        urllib.request.urlopen(request, timeout=3).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        return check(True, "hub", f"reachable (status {error.code})")
    except (OSError, ValueError):
        says = "not reachable: use --model shapes, a local folder, or a filled HF_HOME"
        return check(None, "hub", says)
    return check(True, "hub", "reachable")


def metrics() -> list[dict[str, Any]]:
    """Each metric: whether its packages and its weights are here."""
    from accel_opt.core.errors import MissingPackageError
    from accel_opt.metrics import get_metric, metric_names

    checks = []
    for name in metric_names():
        try:
            metric = get_metric(name)
            metric.check_packages()
        except MissingPackageError as error:
            checks.append(check(None, f"metric {name}", str(error)))
            continue
        has = metric.has_weights()
        said = {
            True: f"weights cached: {metric.weights}",
            False: f"weights must be fetched: {metric.weights}{_OTHER_WAYS.get(name, '')}",
            None: f"whether its weights are here is not known: {metric.weights}",
        }
        says = f"{metric.unit}; {said[has]}" if metric.weights else metric.unit
        checks.append(check(True if has else None, f"metric {name}", says))
    return checks


def prompts(*, reachable: bool) -> dict[str, Any]:
    """Whether the usual prompts, captions of COCO, can be had.

    Args:
        reachable: Whether the hub answers.
    """
    from accel_opt.core.provenance import package_version
    from accel_opt.prompts import cache, rows

    if package_version("datasets") is None:
        return check(None, "prompts", "no COCO without its reader: pip install datasets")
    if cache.is_cached(rows.COCO):
        return check(True, "prompts", f"{rows.COCO} is cached")
    if reachable:
        says = f"{rows.COCO} is read from the hub when asked for, 30 MB, and not kept"
        return check(True, "prompts", says)
    ways = "--prompts-from with a .txt file, or embedded captions, as --model shapes has them"
    return check(None, "prompts", f"{rows.COCO} is neither cached nor reachable: {ways}")
