"""A search of a pipeline with random weights, which the package refuses: only its time counts.

The engine, the evaluator, the images kept and the scorer are those of a real search; scores are
all the same, so that every setting is feasible and none is stopped early for its quality.
"""

from dataclasses import dataclass
from pathlib import Path

from accel_opt.core.measurement import Limit
from accel_opt.core.spec import make_spec
from accel_opt.measure.calls import CallOptions
from accel_opt.measure.runner import PipelineEvaluator
from accel_opt.pipelines.devices import default_device
from accel_opt.pipelines.load import load_pipeline
from accel_opt.prompts import load_prompts
from accel_opt.search import SearchPlan, Space, search
from accel_opt.search.pipeline_problem import PipelineProblem
from accel_opt.testing import tiny_pipeline

from random_clip import RandomClip  # isort: skip

SCHEDULER = "DDIM"
STAND_IN = "SD1.5"


@dataclass(frozen=True)
class Noise:
    """What is searched, and what measures it."""

    space: Space
    evaluator: PipelineEvaluator
    n_items: int
    batch_size: int
    device: str
    scorer: str


def random_problem(
    *,
    model: str,
    resolution: int,
    steps: int,
    accelerators: str,
    prompts: int,
    batch_size: int,
    scorer: str,
    out: Path,
    trials: int = 0,
) -> Noise:
    """A model of the catalogue with random weights in half precision on a GPU; or a toy."""
    del trials
    tiny = model == "tiny"
    name = STAND_IN if tiny else model
    device = default_device()
    if tiny:
        pipe = tiny_pipeline("sd").to(device)
    else:
        dtype = "float16" if device.startswith("cuda") else None
        pipe = load_pipeline(
            model, scheduler=SCHEDULER, weights="random", device=device, dtype=dtype
        )
    spec = make_spec(
        model=name,
        scheduler=SCHEDULER,
        steps=steps,
        accelerators=accelerators,
        resolution=resolution,
        weights="random",
    )
    problem = PipelineProblem.from_spec(spec, pipe)
    clip = RandomClip(scorer, device)
    evaluator = PipelineEvaluator(
        pipe,
        load_prompts("embedded", prompts, 0),
        {"clip": clip},
        CallOptions(steps, float(problem.spec.guidance_scale or 0), None, resolution),
        out / "samples",
    )
    return Noise(problem.space, evaluator, prompts, batch_size, device, clip.scorer)


def search_noise(problem: Noise, *, trials: int, out: Path) -> int:
    """A whole search without confirmation; how many settings were measured."""
    plan = SearchPlan(
        (Limit("clip", 0.02),),
        n_items=problem.n_items,
        batch_size=problem.batch_size,
        trials=trials,
        confirm=False,
        out=out,
    )
    storage = f"sqlite:///{out / 'study.db'}"
    return len(search(problem.space, problem.evaluator, plan, storage=storage).trials)
