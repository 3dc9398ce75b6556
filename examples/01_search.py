"""Search the embedded model for half a minute, and look at what came of it."""

import accel_opt

result = accel_opt.search(
    model="shapes",
    scheduler="DDIM",
    steps=20,
    accelerators=["deepcache", "tome"],
    max_score_loss=0.02,
    timeout=30,
    confirm=False,
    study="example-01",
)

best = result.best
if best is None:
    print("nothing was feasible:", result.why_ended)
else:
    print("setting   ", best.config)
    print("speedup   ", f"{best.speedup.value:.2f}x")
    print("score loss", f"{best.score_loss.value:.2%}")
print("tried     ", len(result.trials), "settings;", result.why_ended)
