"""`accel-opt doctor`: what works on this machine, and what to install for the rest."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Any

import typer

from accel_opt.cli.output import JsonFlag, emit_json, emit_table
from accel_opt.core.provenance import package_version, processor, versions

EXAMPLE = "accel-opt doctor --model shapes"

TORCHVISION_BROKEN = (
    "torchvision is installed but does not load beside this torch; diffusers and transformers "
    "fail with it. Type: pip uninstall torchvision   (or install the build that matches your torch)"
)


def doctor(
    model: Annotated[
        str | None, typer.Option(help="Also load this model and say what works with it.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Reports device, versions, accelerators, hub and missing packages."""
    checks = [*_packages(), _device(), _hub(), *_accelerators(model)]
    if as_json:
        emit_json({"ok": all(c["ok"] is not False for c in checks), "checks": checks})
    else:
        words = {True: "ok", False: "MISSING", None: "-"}
        rows = [[words[c["ok"]], c["what"], c["says"]] for c in checks]
        emit_table("accel-opt doctor", ["", "what", "finding"], rows)
    if any(c["ok"] is False for c in checks):
        raise typer.Exit(1)


def _check(ok: bool | None, what: str, says: str) -> dict[str, Any]:
    return {"ok": ok, "what": what, "says": says}


def _packages() -> list[dict[str, Any]]:
    checks = [
        _check(True, "python", sys.version.split()[0]),
        _check(True, "packages", ", ".join(f"{n} {v}" for n, v in versions().items())),
    ]
    vision = package_version("torchvision")
    if vision is not None:
        broken = _torchvision_is_broken()
        checks.append(_check(not broken, "torchvision", TORCHVISION_BROKEN if broken else vision))
    clip = package_version("open_clip_torch")
    hint = (
        "not installed; CLIP runs through transformers. "
        "For open_clip: pip install 'accel_opt[clip]'"
    )
    checks.append(_check(True if clip else None, "open_clip", clip or hint))
    return checks


def _torchvision_is_broken() -> bool:
    # In a process of its own: a failed import leaves half-registered operators behind.
    done = subprocess.run(
        [sys.executable, "-c", "import torchvision"], capture_output=True, timeout=120, check=False
    )
    return done.returncode != 0


def _device() -> dict[str, Any]:
    import torch

    if torch.cuda.is_available():
        free, total = (value / 2**30 for value in torch.cuda.mem_get_info())
        name = torch.cuda.get_device_name(0)
        return _check(True, "device", f"cuda: {name}, {free:.0f} of {total:.0f} GiB free")
    if torch.backends.mps.is_available():
        return _check(True, "device", "mps")
    return _check(
        True, "device", f"cpu: {processor()}; large models are slow here, `shapes` is not"
    )


def _hub() -> dict[str, Any]:
    import urllib.error
    import urllib.request

    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return _check(None, "hub", "offline by HF_HUB_OFFLINE; only cached models load")
    try:
        request = urllib.request.Request(constants.ENDPOINT, method="HEAD")  # noqa: S310
        urllib.request.urlopen(request, timeout=3).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        return _check(True, "hub", f"reachable (status {error.code})")
    except (OSError, ValueError):
        says = "not reachable: use --model shapes, a local folder, or a filled HF_HOME"
        return _check(None, "hub", says)
    return _check(True, "hub", "reachable")


def _accelerators(model: str | None) -> list[dict[str, Any]]:
    from accel_opt.accelerators import registry
    from accel_opt.core.errors import MissingPackageError

    pipe = None
    if model is not None:
        from accel_opt.pipelines.load import load_pipeline

        pipe = load_pipeline(model)
    checks = []
    for name in registry.names():
        try:
            plugin = registry.get(name)
        except MissingPackageError as error:
            checks.append(_check(False, name, str(error)))
            continue
        if pipe is None:
            ranges = ", ".join(f"{p} {d.low}..{d.high}" for p, d in plugin.params.items())
            checks.append(_check(True, name, ranges))
            continue
        refusal = plugin.supports(pipe)
        says = refusal.reason if refusal else f"works with {type(pipe).__name__}"
        checks.append(_check(None if refusal else True, name, says))
    return checks
