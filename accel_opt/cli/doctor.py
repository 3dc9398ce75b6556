"""`accel-opt doctor`: what works on this machine, and what to install for the rest."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated, Any

import typer

from accel_opt.cli.doctor_model import check as _check
from accel_opt.cli.doctor_model import model_checks, ranges_text
from accel_opt.cli.doctor_needs import hub, metrics, prompts
from accel_opt.cli.output import JsonFlag, emit_json, emit_table
from accel_opt.core.imports import TORCHVISION_BROKEN
from accel_opt.core.provenance import package_version, processor, versions

EXAMPLE = "accel-opt doctor --model shapes"


def doctor(
    model: Annotated[
        str | None, typer.Option(help="Also say how this model runs and which accelerators fit.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps that the model's ranges are for.", min=1)] = 50,
    scheduler: Annotated[
        str | None, typer.Option(help="Nickname or diffusers class name; the model's own.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Reports devices, versions, accelerators, hub, and what is missing or must be fetched."""
    there = hub()
    found = prompts(reachable=there["ok"] is True)
    checks = [*_packages(), *_devices(), there, *metrics(), found]
    checks += model_checks(model, steps, scheduler) if model is not None else _accelerators()
    if as_json:
        emit_json({"ok": all(c["ok"] is not False for c in checks), "checks": checks})
    else:
        words = {True: "ok", False: "MISSING", None: "-"}
        rows = [[words[c["ok"]], c["what"], c["says"]] for c in checks]
        emit_table("accel-opt doctor", ["", "what", "finding"], rows)
    if any(c["ok"] is False for c in checks):
        raise typer.Exit(1)


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


def _devices() -> list[dict[str, Any]]:
    import torch

    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        return [
            _cuda(number, "device" if count == 1 else f"cuda:{number}") for number in range(count)
        ]
    if torch.backends.mps.is_available():
        return [_check(True, "device", "mps")]
    says = f"cpu: {processor()}; large models are slow here, `shapes` is not"
    ways = "counted FLOPs of full-size models: accel-opt search --weights random --objective flops"
    return [_check(True, "device", says), _check(None, "full size", ways)]


def _cuda(number: int, what: str) -> dict[str, Any]:
    import torch

    free, total = (value / 2**30 for value in torch.cuda.mem_get_info(number))
    with torch.cuda.device(number):
        # What is emulated is slow: torch would say yes to it.
        bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    half = "float16 and bfloat16" if bfloat16 else "float16, no bfloat16"
    name = torch.cuda.get_device_name(number)
    return _check(True, what, f"cuda: {name}, {free:.0f} of {total:.0f} GiB free, {half}")


def _accelerators() -> list[dict[str, Any]]:
    from accel_opt.accelerators import registry
    from accel_opt.core.errors import MissingPackageError

    checks = []
    for name in registry.names():
        try:
            plugin = registry.get(name)
        except MissingPackageError as error:
            checks.append(_check(False, name, str(error)))
            continue
        lacking = [package for package in plugin.requires if package_version(package) is None]
        hint = f"; its own programs need: pip install {' '.join(lacking)}" if lacking else ""
        checks.append(_check(True, name, ranges_text(dict(plugin.params)) + hint))
    return checks
