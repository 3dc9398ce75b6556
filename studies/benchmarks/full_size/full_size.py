"""Full-size check without the hub: FLOPs, and on a GPU seconds, with random weights.

    python studies/benchmarks/full_size/full_size.py                 # everything this machine can
    python studies/benchmarks/full_size/full_size.py --minutes 9     # the most valuable first
    python studies/benchmarks/full_size/full_size.py --models SDXL --batches 1 --only bars

Without a GPU whole runs are counted on the `meta` device; with one they are timed as well, and
first. Every row is written to results/<machine>.json and .md as it comes, and is not measured
again by a later run under the same versions, precision and backends, unless --anew is given. Says
what is left when the time is over; exits with 1 when a bar is missed.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import cases
from kept import Kept
from work import COUNTED, TIMED, Budget, Work

from accel_opt.core.files import file_name
from accel_opt.core.provenance import backends, machine, processor, versions

HERE = Path(__file__).parent


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    summary, _, _ = str(__doc__).partition("\n")
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--models", nargs="+", default=list(cases.MODELS), choices=cases.MODELS)
    parser.add_argument(
        "--steps", nargs="+", type=int, default=list(cases.STEPS), choices=cases.STEPS
    )
    parser.add_argument(
        "--batches", nargs="+", type=int, default=list(cases.BATCHES), help="timed batch sizes"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[*TIMED, *COUNTED],
        choices=[*TIMED, *COUNTED],
        help="timed on a GPU: bars, presets, combinations; counted: ratios, packages",
    )
    parser.add_argument("--minutes", type=float, default=None, help="begin nothing after these")
    parser.add_argument("--anew", action="store_true", help="measure rows again that are there")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    return parser.parse_args(arguments)


def main() -> None:
    import torch

    options = parsed()
    budget = Budget(options.minutes)
    device = "cuda" if torch.cuda.is_available() else "meta"
    name = machine(device) if device == "cuda" else f"{processor()}, no GPU"
    tuning, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, False
    try:
        conditions: dict[str, Any] = {"machine": name, "device": device, "versions": versions()}
        conditions |= {"dtype": cases.DTYPE, "backends": backends(device)}
        kept = Kept(options.out / file_name(name), conditions, anew=options.anew)
        if kept.differs:
            say(f"earlier results are of another {', '.join(kept.differs)} and are replaced")
        elif kept.n_earlier:
            say(f"{kept.n_earlier} earlier rows{' stand until measured' if options.anew else ''}")
        left = Work(options, kept, budget, device).done()
    finally:
        torch.backends.cudnn.benchmark = tuning
    kept.write()
    bars = kept.bars()
    missed = [row for row in bars if not row["ok"]]
    for row in missed:
        say(f"missed: {json.dumps(row, ensure_ascii=False)}")
    for line in left:
        say(f"left: {line}")
    what = f"{len(bars)} bars looked at, {len(missed)} missed"
    print(f"{options.out / file_name(name)}.md: {what}{', some work is left' if left else ''}")
    sys.exit(1 if missed else 0)


def say(text: str) -> None:
    """Tells how things go, beside the result."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
