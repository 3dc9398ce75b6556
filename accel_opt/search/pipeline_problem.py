"""From a validated spec and a pipeline to what the engine searches: a space, an evaluator, a plan.

The engine knows nothing of pipelines; this file is where the two meet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any

from accel_opt import shapes
from accel_opt.accelerators import registry, stack
from accel_opt.accelerators.model import setup_of
from accel_opt.core.config import Config
from accel_opt.core.dims import Dim
from accel_opt.core.errors import InputError, RefusedError, UnknownNameError
from accel_opt.core.events import Notice, OnEvent
from accel_opt.core.measurement import Evaluate, Limit
from accel_opt.core.provenance import MEASURING, backends, machine, versions
from accel_opt.core.run import Refusal, RunInfo
from accel_opt.core.spec import StudySpec
from accel_opt.measure.calls import CallOptions
from accel_opt.measure.runner import PipelineEvaluator
from accel_opt.metrics import Metric, get_metric
from accel_opt.pipelines import Model
from accel_opt.pipelines.devices import device_of
from accel_opt.pipelines.load import find_pipeline, load_pipeline
from accel_opt.pipelines.text_to_image import check_text_to_image
from accel_opt.prompts import PromptSet, load_prompts
from accel_opt.search.conditions import SPEC
from accel_opt.search.defaults import EMBEDDED_CONFIRM_S, hub_options, resolved
from accel_opt.search.plan import SearchPlan
from accel_opt.search.space import Space

HELDOUT = 240


@dataclass
class PipelineProblem:
    """Everything a search of one pipeline config needs; heavy parts are made on first use.

    Attributes:
        spec: The resolved spec.
        model: The model.
        given_pipe: A pipeline that the caller built; None loads one.
    """

    spec: StudySpec
    model: Model
    given_pipe: Any = None
    _prompts: PromptSet | None = field(default=None, repr=False)

    @classmethod
    def from_spec(cls, spec: StudySpec, pipe: Any = None) -> PipelineProblem:
        """Resolves names and defaults; loads nothing yet.

        Raises:
            InputError: Something asked for is not there, or the pipeline makes no images from text.
        """
        if pipe is not None:
            check_text_to_image(pipe)
        return cls(*resolved(spec, pipe), given_pipe=pipe)

    def find(self, on_event: OnEvent) -> None:
        """Makes sure that the model is there, before anything that takes long is begun.

        Args:
            on_event: Told when it comes from a mirror.

        Raises:
            HubUnreachableError: It is neither cached nor reachable.
            InputError: It is gated, missing, or no text-to-image pipeline.
        """
        if self.given_pipe is None:
            options = hub_options(self.spec)
            find_pipeline(self.model, options, lambda text: on_event(Notice(text)))

    @cached_property
    def pipe(self) -> Any:
        """The pipeline, ready to call."""
        if self.given_pipe is not None:
            return self.given_pipe
        return load_pipeline(
            self.model,
            scheduler=self.spec.scheduler,
            device=self.spec.device,
            dtype=self.spec.dtype,
            weights=self.spec.weights,
            revision=self.spec.revision,
            variant=self.spec.variant,
            cache_dir=self.spec.cache_dir,
            on_notice=_told_elsewhere,
        )

    @cached_property
    def run(self) -> RunInfo:
        """What plugins may know of a run."""
        return stack.run_info(self.pipe, self.spec.steps, float(self.spec.guidance_scale or 0))

    @cached_property
    def prompts(self) -> PromptSet:
        """Search and held-out prompts."""
        source = str(self.spec.prompts_from)
        return load_prompts(source, int(self.spec.prompts or 0), HELDOUT)

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """Metrics by name; CLIP always, others where a limit names them."""
        device = device_of(self.pipe)
        made: dict[str, Metric] = {}
        for name in ("clip", *sorted(self.spec.max_loss)):
            kind: Any = get_metric(name)
            if name != "clip":
                takes_device = "device" in signature(kind).parameters
                made[name] = kind(device=device) if takes_device else kind()
                continue
            own = str(shapes.clip_folder()) if self.model.kind == "embedded" else None
            checkpoint = self.spec.scorer or own
            made[name] = kind(checkpoint, device=device) if checkpoint else kind(device=device)
        return made

    @cached_property
    def evaluator(self) -> PipelineEvaluator:
        """Measures one batch of one setting."""
        options = CallOptions(
            self.spec.steps,
            float(self.spec.guidance_scale or 0),
            self.spec.negative_prompt,
            self.spec.resolution,
        )
        samples = Path(self.spec.out or ".") / "samples"
        return PipelineEvaluator(
            self.pipe,
            self.prompts,
            self.metrics,
            options,
            samples,
            halve_batch=self.spec.halve_batch,
        )

    @property
    def evaluate(self) -> Evaluate | str:
        """What the engine is handed: by name where a fresh process can build the same problem."""
        if self.given_pipe is not None:
            return self.evaluator
        text = self.spec.model_dump_json()
        _BUILT[text] = self
        return f"{__name__}:evaluator_from#{text}"

    @cached_property
    def space(self) -> Space:
        """The default ranges that fit this model and run, as the user narrowed or widened them."""
        names = self.spec.accelerators
        standing = stack.supports((), self.pipe)  # what was done to the pipeline
        if standing:
            raise RefusedError(standing.reason)
        for name in names:
            refusal = stack.supports((name,), self.pipe)
            if refusal:
                raise RefusedError(f"{refusal.reason}; leave it out of --accelerators")
        if self.uncounted and self.spec.objective == "flops":
            raise RefusedError(self.uncounted.reason)
        parameters = {
            name: _ranged(name, registry.get(name).ranges(self.run), self.spec.ranges.get(name, {}))
            for name in names
        }
        return Space(
            parameters,
            canonical=lambda config: stack.canonical(config, self.run),
            presets=self._presets(parameters),
            work=None if self.uncounted else self._work,
            require_all=self.spec.require_all,
        )

    @cached_property
    def uncounted(self) -> Refusal | None:
        """Why the work of settings cannot be counted; None when it can."""
        return stack.countable(self.pipe)

    def _presets(self, parameters: Mapping[str, Mapping[str, Dim]]) -> tuple[Config, ...]:
        return tuple(c for c, _ in self.published if set(c.accelerators) <= set(parameters))

    @property
    def published(self) -> list[tuple[Config, str]]:
        """Published settings of the accelerators asked for, each with its source."""
        return [
            (Config({name: dict(preset.params)}), preset.source)
            for name in self.spec.accelerators
            for preset in registry.get(name).presets
        ]

    def _work(self, config: Config) -> float:
        side = self.spec.resolution and self.spec.resolution // self.pipe.vae_scale_factor
        return float(stack.relative_work(config, self.run, self.pipe, side, side))

    @cached_property
    def conditions(self) -> dict[str, Any]:
        """What the measurements depend on, by name; plain JSON values."""
        spec = self.spec
        device = device_of(self.pipe)
        named = {"revision": spec.revision, "variant": spec.variant}
        return {
            "model": spec.model,
            "pipeline": type(self.pipe).__name__,
            "scheduler": type(self.pipe.scheduler).__name__,
            "steps": spec.steps,
            "guidance_scale": spec.guidance_scale,
            "negative_prompt": spec.negative_prompt,
            "resolution": spec.resolution or self._own_resolution(),
            "batch_size": spec.batch_size,
            "dtype": str(self.pipe.dtype).removeprefix("torch."),
            "device": machine(device),
            "weights": spec.weights,
            **{name: text for name, text in named.items() if text},
            "metric": "clip",
            "scorer": self.metrics["clip"].scorer,
            "prompts": f"{self.prompts.source} {self.prompts.digest}",
            "versions": versions(MEASURING),
            **backends(device),
            # Offloading, adapters, compiled parts: only where there are such.
            **({"setup": setup} if (setup := setup_of(self.pipe)) else {}),
        }

    def _own_resolution(self) -> int:
        denoiser = getattr(self.pipe, "unet", None) or self.pipe.transformer
        # Flux takes any size, and its pipeline chooses.
        size = denoiser.config.get("sample_size") or self.pipe.default_sample_size
        return int(size * self.pipe.vae_scale_factor)

    def plan(self) -> SearchPlan:
        """The engine's plan."""
        spec = self.spec
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
        embedded = self.model.kind == "embedded"
        return SearchPlan(
            limits=tuple(limits),
            n_items=len(self.prompts.search),
            batch_size=int(spec.batch_size or 1),
            confirm_items=len(self.prompts.heldout),
            objective=spec.objective,
            trials=spec.trials,
            timeout_s=spec.timeout,
            confirm_timeout_s=EMBEDDED_CONFIRM_S if embedded else None,
            strategy=spec.strategy,
            seed=spec.seed,
            target_speedup=spec.speedup,
            target_latency_s=spec.latency,
            frontier=spec.frontier,
            confirm=spec.confirm,
            trial_timeout_s=spec.trial_timeout,
            conditions=self.conditions,
            attributes={SPEC: self.spec.model_dump_json()},
            allow_drift=spec.allow_drift,
            out=spec.out,
        )


def _told_elsewhere(text: str) -> None:
    """Mirrors are told of by `find`, device and precision with the baseline's time."""
    del text


def evaluator_from(spec: str) -> Evaluate:
    """The evaluator of a resolved spec given as JSON; a fresh process builds its own."""
    if spec not in _BUILT:
        _BUILT[spec] = PipelineProblem.from_spec(StudySpec.model_validate_json(spec))
        problem = _BUILT[spec]
        problem.evaluator.warm_up(int(problem.spec.batch_size or 1))
    return _BUILT[spec].evaluator


# Problems of this process by their spec, so that the search does not load its model twice.
_BUILT: dict[str, PipelineProblem] = {}


def _ranged(
    accelerator: str, dims: Mapping[str, Dim], ranges: Mapping[str, tuple[float, ...]]
) -> dict[str, Dim]:
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
