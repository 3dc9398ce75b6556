"""Several processes search one study: none repeats another's work, and one that dies loses nothing.

What they search is named, so that each process can import it. A Journal is for one machine;
`postgresql://user@host/database` instead of it, and `accel-opt worker`, are for several.
"""

import math
import time
from pathlib import Path

import accel_opt
from accel_opt.core.events import TrialFinished
from accel_opt.search.plan import SearchPlan
from accel_opt.search.workers.problem import Problem


def evaluate(config: accel_opt.Config, batch: accel_opt.Batch) -> accel_opt.BatchMeasurement:
    """Pretends, and takes a while: a greater interval is faster and costs quality."""
    time.sleep(0.05)
    interval = config["cache"]["interval"]
    noise = [0.001 * math.sin(37 * item + interval) for item in batch.item_ids]
    return accel_opt.BatchMeasurement(
        seconds=(1 / (1 + 0.5 * math.log2(interval)),),
        baseline_seconds=(1.0,),
        scores={"quality": tuple(30 * (1 - 0.004 * (interval - 1) + n) for n in noise)},
        baseline_scores={"quality": (30.0,) * len(noise)},
    )


def problem() -> Problem:
    """What every worker imports by name."""
    space = accel_opt.Space({"cache": {"interval": accel_opt.Int(1, 24, faster="up")}})
    limits = (accel_opt.Limit("quality", 0.02),)
    plan = SearchPlan(limits, n_items=40, batch_size=10, confirm_items=100, strategy="random")
    return Problem(space, evaluate, plan)


if __name__ == "__main__":
    told = []
    result = accel_opt.search(
        problem=f"{Path(__file__).stem}:problem",
        workers=2,
        storage="journal:///studies/several/study.log",
        study="several",
        on_event=lambda event: told.append(event) if isinstance(event, TrialFinished) else None,
    )
    owners = {trial.user_attrs["lease"] for trial in result.study.trials}
    assert result.best is not None
    print(f"{len(result.trials)} settings, none twice, by {len(owners)} processes")
    print(f"best: {result.best.config}, {result.best.speedup.value:.2f}x; {result.why_ended}")
