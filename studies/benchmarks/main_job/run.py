"""Seconds of the main job as a person waits for it, and of what should cost nothing.

    python studies/benchmarks/main_job/run.py

`accel-opt search` in an empty folder, from the shell's prompt to the shell's prompt; `import
accel_opt` and `accel-opt --help`, the median of five fresh processes each. Bars: 180 s on two CPU
cores, 0.2 s and 0.5 s. Writes results/<machine>.json beside this file.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from accel_opt.core.files import file_name
from accel_opt.core.provenance import processor, versions

HERE = Path(__file__).parent
COMMAND = (sys.executable, "-m", "accel_opt.cli.main")
BARS = {"import_s": 0.2, "help_s": 0.5, "search_s": 180.0}


def seconds(*command: str, folder: str | None = None) -> tuple[float, subprocess.CompletedProcess]:
    """How long a command takes, and what it said."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return time.perf_counter() - start, done


def median(*command: str) -> float:
    """Median of five fresh processes, in seconds."""
    return statistics.median(seconds(*command)[0] for _ in range(5))


def main() -> None:
    nothing = median(sys.executable, "-c", "pass")
    found: dict[str, Any] = {
        "machine": processor(),
        "versions": versions(),
        "import_s": median(sys.executable, "-c", "import accel_opt") - nothing,
        "help_s": median(*COMMAND, "--help"),
    }
    with tempfile.TemporaryDirectory() as folder:
        found["search_s"], done = seconds(*COMMAND, "search", "--json", folder=folder)
    result = json.loads(done.stdout)
    found |= {name: result[name] for name in ("best", "confirmed", "why_ended", "outcomes")}
    found["fastest_feasible_found"] = max(
        (p["speedup"]["value"] for p in result["pareto"]), default=0
    )
    found["held"] = {name: found[name] <= bar for name, bar in BARS.items()}
    target = HERE / "results" / f"{file_name(processor())}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
