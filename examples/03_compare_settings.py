"""Measure a few settings side by side, without a search."""

from accel_opt.core.config import Config
from accel_opt.core.measurement import Batch
from accel_opt.core.spec import make_spec
from accel_opt.search.pipeline_problem import PipelineProblem

problem = PipelineProblem.from_spec(make_spec(model="shapes", steps=20))
evaluate = problem.evaluator
evaluate.warm_up(8)
batch = Batch(index=0, item_ids=tuple(range(8)), seed=42)

for setting in (
    {"deepcache": {"cache_interval": 2, "cache_branch_id": 1}},
    {"deepcache": {"cache_interval": 5, "cache_branch_id": 0}},
    {"cfg_cutoff": {"cutoff_step": 10}},
):
    found = evaluate(Config(setting), batch)
    speedup = found.baseline_seconds[0] / found.seconds[0]
    score = sum(found.scores["clip"]) / 8
    baseline = sum(found.baseline_scores["clip"]) / 8
    print(f"{Config(setting)!s:45} {speedup:4.2f}x  CLIP {score:.1f}, baseline {baseline:.1f}")
