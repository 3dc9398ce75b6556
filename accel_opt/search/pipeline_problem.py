"""From a validated spec and a pipeline to what the engine searches: a space, an evaluator, a plan.

The engine knows nothing of pipelines; this file is where the two meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from inspect import signature
from pathlib import Path
from typing import Any

from accel_opt import shapes
from accel_opt.accelerators import registry, stack
from accel_opt.core.config import Config
from accel_opt.core.dims import Dim
from accel_opt.core.errors import RefusedError
from accel_opt.core.events import Notice, OnEvent
from accel_opt.core.measurement import Evaluate
from accel_opt.core.memory import free
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
from accel_opt.search.pipeline_conditions import conditions_of, limits_of, pixels_of_latent
from accel_opt.search.plan import SearchPlan
from accel_opt.search.ranges import narrowed
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

    def move(self, device: str) -> None:
        """Moves the pipeline and what scores it, those that were loaded here."""
        # Part by part: the pipeline's own `to` warns of half precision, which only rests on a CPU.
        for part in self.pipe.components.values():
            if hasattr(part, "modules"):
                part.to(device)
        for metric in vars(self).get("metrics", {}).values():
            if callable(getattr(metric, "to", None)):
                metric.to(device)

    def close(self) -> None:
        """Lets go of everything that is heavy; a search that comes next needs the room."""
        _BUILT.pop(self.spec.model_dump_json(), None)
        pipe = vars(self).pop("pipe", None)
        for name in ("evaluator", "metrics", "space"):
            vars(self).pop(name, None)
        if pipe is not None and self.given_pipe is None:
            device = device_of(pipe)
            del pipe
            free(device)

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
            self.spec.guidance_scale,
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
                raise RefusedError(f"{refusal.reason}; {self._ways()}")
        if self.uncounted and self.spec.objective == "flops":
            raise RefusedError(self.uncounted.reason)
        parameters = {
            name: narrowed(
                name, registry.get(name).ranges(self.run), self.spec.ranges.get(name, {})
            )
            for name in names
        }
        return Space(
            parameters,
            canonical=lambda config: stack.canonical(config, self.run),
            presets=self._presets(parameters),
            work=None if self.uncounted else self._work,
            require_all=self.spec.require_all,
        )

    def _ways(self) -> str:
        """What to type where an accelerator does not fit."""
        fit = [name for name in registry.names() if stack.supports((name,), self.pipe) is None]
        return f"choose among {', '.join(fit)} with --accelerators" if fit else "none fits"

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
        side = self.spec.resolution and self.spec.resolution // pixels_of_latent(self.pipe)
        return float(stack.relative_work(config, self.run, self.pipe, side, side))

    @cached_property
    def conditions(self) -> dict[str, Any]:
        """What the measurements depend on, by name; plain JSON values."""
        return conditions_of(self.spec, self.pipe, self.metrics["clip"].scorer, self.prompts)

    def plan(self) -> SearchPlan:
        """The engine's plan."""
        spec = self.spec
        embedded = self.model.kind == "embedded"
        return SearchPlan(
            limits=limits_of(spec),
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


@contextmanager
def at_rest(spec: str) -> Iterator[None]:
    """Keeps the problem of a resolved spec off its GPU, for a process that measures meanwhile."""
    problem = _BUILT.get(spec)
    device = device_of(problem.pipe) if problem and "pipe" in vars(problem) else ""
    if problem is None or not device.startswith("cuda"):
        yield
        return
    problem.move("cpu")
    free(device)
    try:
        yield
    finally:
        problem.move(device)


# Problems of this process by their spec, so that the search does not load its model twice.
_BUILT: dict[str, PipelineProblem] = {}
