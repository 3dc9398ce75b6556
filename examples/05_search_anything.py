"""Search over anything that can be measured: here a made-up cache with two parameters."""

import math

import accel_opt


def evaluate(config: accel_opt.Config, batch: accel_opt.Batch) -> accel_opt.BatchMeasurement:
    """Pretends: a greater interval is faster, a shallower depth too, and both cost quality."""
    cache = config["cache"]
    speedup = 1 + 0.5 * math.log2(cache["interval"]) + 0.1 * (4 - cache["depth"])
    loss = 0.004 * (cache["interval"] - 1) * (1 + 0.3 * (4 - cache["depth"]))
    # Items differ in how hard they are, and react unlike: that is what intervals are made of.
    noise = [0.001 * math.sin(37 * item + cache["interval"]) for item in batch.item_ids]
    return accel_opt.BatchMeasurement(
        seconds=(1.0 / speedup,),
        baseline_seconds=(1.0,),
        scores={"quality": tuple(30 * (1 - loss + n) for n in noise)},
        baseline_scores={"quality": (30.0,) * len(noise)},
    )


space = accel_opt.Space(
    {
        "cache": {
            "interval": accel_opt.Int(1, 16, faster="up"),
            "depth": accel_opt.Int(1, 4, faster="down"),
        }
    }
)
result = accel_opt.search(
    space=space,
    evaluate=evaluate,
    limits=(accel_opt.Limit("quality", 0.02),),
    n_items=40,
    batch_size=10,
    confirm_items=100,
)
best = result.best
assert best is not None
print(f"best: {best.config}, {best.speedup.value:.2f}x, confirmed: {best.confirmed}")
print(f"evaluations: {len(result.trials)} of {space.size}; {result.why_ended}")
