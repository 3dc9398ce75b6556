"""What a trial costs beside the pipeline's own calls: engine, checks, pictures kept, scoring.

    python studies/benchmarks/overhead/run.py
    python studies/benchmarks/overhead/run.py --model SD1.5 --resolution 512 --steps 50

A whole search without confirmation; complete calls (text encoding and VAE included) and scoring
are clocked where they happen, the rest of the wall time is the engine's. Writes
results/<machine>-<model>.json beside this file. The bar: at most 5 % of the time at 50 steps on
SD1.5's size. Without a GPU the embedded model stands in with few steps: what lies outside its calls
does not depend on them, so the figure there is what that takes an image.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import accel_opt
from accel_opt.core.files import file_name
from accel_opt.core.provenance import processor, versions
from accel_opt.measure import runner

HERE = Path(__file__).parent
BAR = 0.05


class Clock:
    """Seconds spent inside a function, and how often and when it was first called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seconds, self.calls, self.first = function, 0.0, 0, 0.0

    def __call__(self, *args: Any, **options: Any) -> Any:
        start = time.perf_counter()
        self.first = self.first or start
        try:
            return self.function(*args, **options)
        finally:
            self.seconds += time.perf_counter() - start
            self.calls += 1


def main() -> None:
    parser = argparse.ArgumentParser(description="overhead of a trial")
    parser.add_argument("--model", default="shapes")
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--accelerators", default="tome")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--trials", type=int, default=4)
    options = parser.parse_args()
    calls = Clock(runner.timed)
    runner.timed = calls  # type: ignore[assignment]
    scoring = Clock(runner.scored)
    runner.scored = scoring  # type: ignore[assignment]
    with tempfile.TemporaryDirectory() as folder:
        result = accel_opt.search(**vars(options), confirm=False, references=False, out=folder)
    wall = time.perf_counter() - calls.first
    images = calls.calls * options.batch_size
    engine = wall - calls.seconds - scoring.seconds
    found = {
        "machine": processor(),
        "versions": versions(),
        **vars(options),
        "trials_made": len(result.trials),
        "images": images,
        "call_s_per_image": calls.seconds / images,
        "scoring_s_per_image": scoring.seconds / images,
        "engine_s_per_image": engine / images,
        "share_outside_calls": 1 - calls.seconds / wall,
        "call_s_per_image_for_the_bar": (wall - calls.seconds) / images * (1 - BAR) / BAR,
    }
    target = HERE / "results" / f"{file_name(processor())}-{options.model}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
