"""Under which conditions a pipeline is measured, and which losses it may have."""

from __future__ import annotations

from typing import Any

from accel_opt.accelerators.model import denoiser_of, setup_of
from accel_opt.core.measurement import Limit
from accel_opt.core.provenance import MEASURING, backends, machine, versions
from accel_opt.core.spec import StudySpec
from accel_opt.metrics import get_metric
from accel_opt.pipelines.devices import device_of
from accel_opt.prompts import PromptSet


def conditions_of(spec: StudySpec, pipe: Any, scorer: str, prompts: PromptSet) -> dict[str, Any]:
    """What the measurements of a resolved spec depend on, by name; plain JSON values.

    Args:
        spec: What is asked.
        pipe: The pipeline, ready to call.
        scorer: What is behind the CLIP score.
        prompts: Search and held-out prompts.
    """
    device = device_of(pipe)
    files = {"revision": spec.revision, "variant": spec.variant}
    return {
        "model": spec.model,
        "pipeline": type(pipe).__name__,
        "scheduler": type(pipe.scheduler).__name__,
        "steps": spec.steps,
        "guidance_scale": spec.guidance_scale,
        "negative_prompt": spec.negative_prompt,
        "resolution": spec.resolution or _own_resolution(pipe),
        "batch_size": spec.batch_size,
        "dtype": str(pipe.dtype).removeprefix("torch."),
        "device": machine(device),
        "weights": spec.weights,
        **{name: text for name, text in files.items() if text},
        "metric": "clip",
        "scorer": scorer,
        "prompts": f"{prompts.source} {prompts.digest}",
        "versions": versions(MEASURING),
        **backends(device),
        # Offloading, adapters, compiled parts: only where there are such.
        **({"setup": setup} if (setup := setup_of(pipe)) else {}),
    }


def limits_of(spec: StudySpec) -> tuple[Limit, ...]:
    """The limits of a spec, that of the CLIP score first."""
    limits = [Limit("clip", spec.max_score_loss)]
    for name, limit in sorted(spec.max_loss.items()):
        metric = get_metric(name)
        absolute = metric.loss == "absolute"
        limits.append(
            Limit(
                name,
                limit,
                relative=not absolute,
                higher_is_better=metric.higher_is_better,
                perfect=metric.perfect if absolute else None,
            )
        )
    return tuple(limits)


def pixels_of_latent(pipe: Any) -> int:
    """Pixels a side of one latent; pipelines that draw pixels at once have no such number."""
    return int(getattr(pipe, "vae_scale_factor", 1))


def _own_resolution(pipe: Any) -> int | None:
    """Pixels a side that a pipeline draws of itself; None where it is not said."""
    # Flux takes any size, and its pipeline chooses.
    usual = getattr(pipe, "default_sample_size", None)
    size = denoiser_of(pipe).config.get("sample_size") or usual
    return size * pixels_of_latent(pipe) if isinstance(size, int) else None
