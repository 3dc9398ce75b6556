"""Full-size check without the hub: FLOPs, and on a GPU seconds, with random weights.

    python studies/benchmarks/full_size/full_size.py                # everything this machine can
    python studies/benchmarks/full_size/full_size.py --models SDXL  # one model

Without a GPU whole runs are counted on the `meta` device; with one they are timed as well.
Writes results/<machine>.json and .md, beside what an earlier run found of other models; exits with
1 when a bar is missed.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import cases
from by_hand import by_hand, can
from counted import flops_by_module, meta_pipeline
from table import markdown
from timed_runs import once, ratio, warmed_up

from accel_opt.accelerators import stack
from accel_opt.core.config import Config
from accel_opt.core.files import file_name
from accel_opt.core.provenance import machine, processor, versions
from accel_opt.core.run import RunInfo
from accel_opt.pipelines.load import load_pipeline

GUIDANCE = 7.5
PARTS = ("flops", "known", "packages", "timed")


def flop_rows(model: str, pipe: Any) -> list[dict[str, Any]]:
    """Every setting's ratio of FLOPs; the batch size does not change it."""
    rows = []
    for steps in cases.STEPS:
        run = stack.run_info(pipe, steps, GUIDANCE)
        for config in cases.settings(model, pipe, run):
            flops = 1 / stack.relative_work(config, run, pipe)
            rows.append(_row(model, steps, config) | {"flops": round(flops, 3)})
    return rows


def known_rows(model: str, pipe: Any) -> list[dict[str, Any]]:
    """Ratios that were counted independently, beside ours."""
    rows = []
    for known in cases.KNOWN[model]:
        for steps, expected in ((25, known.at_25), (50, known.at_50)):
            if expected is not None:
                run = RunInfo(steps, GUIDANCE, model=stack.model_info(pipe))
                config = Config(known.config)
                found = 1 / stack.relative_work(config, run, pipe)
                row = _row(model, steps, config) | {"flops": round(found, 3), "known": expected}
                rows.append(row | {"ok": abs(found / expected - 1) <= 0.02})
    return rows


def package_rows(model: str, pipe: Any, steps: int) -> list[dict[str, Any]]:
    """Whole runs of the plugin and of the package used by hand, counted module by module."""
    run = stack.run_info(pipe, steps, GUIDANCE)
    rows = []
    plain = flops_by_module(pipe, pipe, steps)
    for config in compared(model, pipe, run):
        with stack.applied(pipe, config) as call:
            ours = flops_by_module(call, pipe, steps)
        with by_hand(pipe, config) as call:
            theirs = flops_by_module(call, pipe, steps)
        row = _row(model, steps, config)
        row |= {"plugin": ours[""], "package": theirs[""], "plain": plain[""]}
        row["composed"] = round(1 / stack.relative_work(config, run, pipe), 4)
        rows.append(row | {"same_modules": ours == theirs, "ok": ours == theirs})
        _say(rows[-1])
    if flops_by_module(pipe, pipe, steps) != plain:
        raise AssertionError(f"{model}: the plain pipeline has changed")
    return rows


def compared(model: str, pipe: Any, run: RunInfo) -> list[Config]:
    """One preset of each package that can do it alone."""
    found: dict[str, Config] = {}
    for config in cases.settings(model, pipe, run):
        if can(config, pipe):
            found.setdefault(config.accelerators[0], config)
    return list(found.values())


def timed_rows(model: str, pipe: Any, batch: int, steps: int, **more: Any) -> list[dict[str, Any]]:
    """Seconds of every setting beside the plain pipeline, and of packages beside our plugins."""
    run = stack.run_info(pipe, steps, GUIDANCE)
    rows = []
    warmed_up(pipe, pipe, steps, batch, **more)

    def plain() -> float:
        return once(pipe, pipe, steps, batch, **more)

    for config in cases.settings(model, pipe, run):

        def ours(config: Config = config) -> float:
            with stack.applied(pipe, config) as call:
                return once(call, pipe, steps, batch, **more)

        def theirs(config: Config = config) -> float:
            with by_hand(pipe, config) as call:
                return once(call, pipe, steps, batch, **more)

        ours()
        speedup, plain_s, fast_s = ratio(plain, ours)
        row = _row(model, steps, config) | {"batch": batch, "speedup": round(speedup, 3)}
        row |= {"plain_s": plain_s / batch, "fast_s": fast_s / batch}
        if can(config, pipe):
            theirs()
            against = ratio(theirs, ours)[0]
            row |= {"of_package": round(against, 3), "ok": against >= cases.OF_THE_PACKAGE}
        rows.append(row)
        _say(row)
    best = max(row["speedup"] for row in rows)
    if steps == max(cases.STEPS) and model in cases.FASTEST_AT_50:
        wanted = cases.FASTEST_AT_50[model]
        what = {"model": model, "steps": steps, "batch": batch, "setting": "the fastest"}
        rows.append(what | {"speedup": best, "wanted": wanted, "ok": best >= wanted})
    return rows


def _row(model: str, steps: int, config: Config) -> dict[str, Any]:
    return {"model": model, "steps": steps, "setting": str(config)}


def _say(row: dict[str, Any]) -> None:
    print(json.dumps(row, ensure_ascii=False), file=sys.stderr, flush=True)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Everything that this machine can tell."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "meta"
    name = machine(device) if device == "cuda" else f"{processor()}, no GPU"
    result: dict[str, Any] = {"machine": name, "device": device, "versions": versions()}
    parts: dict[str, list[dict[str, Any]]] = {part: [] for part in PARTS}
    for model in options.models:
        pipe = meta_pipeline(model)
        parts["flops"] += flop_rows(model, pipe)
        parts["known"] += known_rows(model, pipe)
        if options.compare_steps:
            parts["packages"] += package_rows(model, pipe, options.compare_steps)
        if device == "cuda":
            torch.backends.cudnn.benchmark = False
            pipe = load_pipeline(model, scheduler=cases.SCHEDULER, weights="random", device=device)
            for batch in cases.BATCHES:
                for steps in cases.STEPS:
                    parts["timed"] += timed_rows(model, pipe, batch, steps)
            del pipe
            torch.cuda.empty_cache()
    return result | parts


def merged(result: dict[str, Any], path: Path, models: list[str]) -> dict[str, Any]:
    """The result with what an earlier run of the same versions found of other models."""
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if earlier.get("versions") != result["versions"]:
        return result
    kept = {part: [row for row in earlier[part] if row["model"] not in models] for part in PARTS}
    place = list(cases.MODELS).index
    return result | {
        part: sorted(kept[part] + result[part], key=lambda row: place(row["model"]))
        for part in PARTS
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(cases.MODELS), choices=cases.MODELS)
    parser.add_argument("--compare-steps", type=int, default=20, help="0 leaves packages out")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    result = measured(options)
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / file_name(result["machine"])
    result = merged(result, Path(f"{stem}.json"), options.models)
    text = json.dumps(result, indent=1, ensure_ascii=False)
    Path(f"{stem}.json").write_text(text + "\n", encoding="utf-8")
    Path(f"{stem}.md").write_text(markdown(result), encoding="utf-8")
    rows = [row for part in ("known", "packages", "timed") for row in result[part]]
    missed = [row for row in rows if not row.get("ok", True)]
    for row in missed:
        print("missed:", json.dumps(row, ensure_ascii=False), file=sys.stderr)
    print(f"{stem}.md: {len(rows)} bars looked at, {len(missed)} missed")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
