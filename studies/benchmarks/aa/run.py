"""A/A: the baseline timed against itself must come out at 1.00.

    python studies/benchmarks/aa/run.py

Five runs of the search's own estimator with the plain pipeline on both sides; the median is the
figure. Writes results/<machine>.json beside this file.
"""

import argparse
import json
import math
import statistics
from pathlib import Path

from accel_opt.core.config import Config
from accel_opt.core.files import file_name
from accel_opt.core.measurement import Batch
from accel_opt.core.provenance import processor, versions
from accel_opt.core.spec import make_spec
from accel_opt.measure.fewer_steps import FewerSteps
from accel_opt.measure.statistics import log_speedup
from accel_opt.search.pipeline_problem import PipelineProblem

HERE = Path(__file__).parent


def one_run(problem: PipelineProblem, batches: int, turn: int) -> float:
    """Speedup of the baseline over itself, from `batches` batches in ABBA order."""
    size = int(problem.spec.batch_size or 1)
    plain = FewerSteps(problem.evaluator, problem.spec.steps)
    found = []
    for i in range(batches):
        ids = tuple(range(i % 4 * size, (i % 4 + 1) * size))
        batch = Batch(i, ids, 1000 + turn, "confirm")
        found.append(plain(Config(), batch))
        assert found[-1].unchanged, "the baseline differs from itself"
    return math.exp(log_speedup(found).value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--batches", type=int, default=8)
    options = parser.parse_args()
    problem = PipelineProblem.from_spec(make_spec())
    problem.evaluator.warm_up(int(problem.spec.batch_size or 1))
    speedups = [one_run(problem, options.batches, turn) for turn in range(options.runs)]
    result = {
        "machine": processor(),
        "versions": versions(),
        "batches": options.batches,
        "speedups": speedups,
        "median": statistics.median(speedups),
    }
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{file_name(processor())}.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
