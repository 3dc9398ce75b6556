"""What a trial costs beside the pipeline's own calls: engine, checks, pictures kept, scoring.

    python studies/benchmarks/overhead/run.py
    python studies/benchmarks/overhead/run.py --model SD1.5 --steps 50 --weights random
    python studies/benchmarks/overhead/run.py --model tiny --out /tmp/overhead

A whole search without confirmation; complete calls (text encoding and VAE included) and scoring
are clocked where they happen, the rest of the wall time is the engine's. Writes
results/<machine>-<model>.json beside this file. The bar: at most 5 % of the time at 50 steps on
SD1.5's size. Without a GPU the embedded model stands in with few steps: what lies outside its calls
does not depend on them, so the figure there is what that takes an image.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from clocks import BAR, clocked, shares
from random_search import random_problem, search_noise

import accel_opt
from accel_opt.core.files import file_name
from accel_opt.core.provenance import backends, machine, versions

HERE = Path(__file__).parent
SEARCHED = ("model", "resolution", "steps", "accelerators", "prompts", "batch_size", "trials")


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    summary, _, _ = str(__doc__).partition("\n")
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--model", default="shapes", help="tiny: toy size, random weights")
    parser.add_argument("--weights", default="pretrained", choices=["pretrained", "random"])
    parser.add_argument("--scorer", default="ViT-g-14", help="size with random weights, or tiny")
    parser.add_argument("--resolution", type=int, default=None)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--accelerators", default="tome")
    parser.add_argument("--prompts", type=int, default=16)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args(arguments)
    if options.model == "tiny":
        options.weights, options.scorer = "random", "tiny"
    if options.resolution is None:
        options.resolution = {"shapes": 256, "tiny": 64}.get(options.model, 512)
    return options


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """What a search costs beside its calls."""
    asked = {name: getattr(options, name) for name in SEARCHED}
    with clocked(noise=options.weights == "random") as clocks, tempfile.TemporaryDirectory() as out:
        if options.weights == "random":
            problem = random_problem(**asked, scorer=options.scorer, out=Path(out))
            problem.evaluator.warm_up(options.batch_size)
            clocks.restart()
            trials = search_noise(problem, trials=options.trials, out=Path(out))
            device, scorer = problem.device, problem.scorer
        else:
            result = accel_opt.search(**asked, confirm=False, references=False, out=out)
            trials, device, scorer = len(result.trials), default(), "the model's own"
        wall = time.perf_counter() - clocks.calls.first
    found = {"machine": machine(device), "versions": versions(), **backends(device), **asked}
    found |= {"weights": options.weights, "scorer": scorer, "trials_made": trials}
    return found | shares(clocks, wall, options.batch_size)


def default() -> str:
    """Where a search runs that is not told where."""
    from accel_opt.pipelines.devices import default_device

    return default_device()


def main() -> None:
    options = parsed()
    found = measured(options)
    if options.model == "SD1.5" and options.steps == 50:
        found |= {"bar": BAR, "ok": found["share_outside_calls"] <= BAR}
    ending = "-random" if options.weights == "random" else ""
    target = options.out / f"{file_name(found['machine'])}-{options.model}{ending}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    sys.exit(0 if found.get("ok", True) else 1)


if __name__ == "__main__":
    main()
