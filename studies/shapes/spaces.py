"""Loss of every setting of an accelerator's default space on many held-out captions.

    python studies/shapes/spaces.py --accelerator deepcache --steps 10

Quality only, so that a busy machine does not matter; every setting starts from the baseline's
noise. Appends nothing: the file of one accelerator and number of steps is written anew.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from check import Scorer
from drawing import Pixels

import accel_opt
from accel_opt import shapes
from accel_opt.accelerators import registry, stack
from accel_opt.measure.statistics import mean
from accel_opt.pipelines.calls import own_arguments
from accel_opt.search.space import Setting, Space

BATCH = 32
LIMIT = 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description="losses of a default space")
    parser.add_argument("--model", default="shapes")
    parser.add_argument("--accelerator", default="deepcache")
    parser.add_argument("--scheduler", default="DDIM")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    pipe = accel_opt.load_pipeline(options.model, scheduler=options.scheduler, device="cpu")
    run = stack.run_info(pipe, options.steps, float(shapes.about()["guidance_scale"]))
    ranges = registry.get(options.accelerator).ranges(run)
    space = Space({options.accelerator: ranges}, lambda c: stack.canonical(c, run))
    texts, scorer = list(shapes.heldout_captions())[: options.images], Scorer()

    def scores() -> np.ndarray:
        parts = []
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            parts.append(scorer(_drawn(pipe, batch, options.steps, start), batch).diagonal())
        return torch.cat(parts).numpy()

    base = scores()
    rows = {}
    found = (space.resolve(point) for point in space.points())
    for key, setting in {s.key: s for s in found if isinstance(s, Setting)}.items():
        with accel_opt.apply(pipe, setting.config):
            loss = mean((base - scores()) / base.mean())
        low, high = loss.interval().low, loss.interval().high
        rows[key] = {"loss": loss.value, "low": low, "high": high}
        print(f"{setting.config}  loss {loss.value:.2%} ({low:.2%} to {high:.2%})", flush=True)
    name = f"{options.model}-{options.scheduler}-{options.steps}-{options.accelerator}"
    feasible = sum(row["loss"] <= LIMIT for row in rows.values())
    surely_not = sum(row["low"] > LIMIT for row in rows.values())
    said = {
        "captions": len(texts),
        "settings": len(rows),
        f"at most {LIMIT:.0%}": feasible,
        f"surely above {LIMIT:.0%}": surely_not,
    }
    print(name, said)
    out = options.out or Path(__file__).parent / "spaces" / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(said | {"rows": rows}, indent=2) + "\n")


def _drawn(pipe: object, texts: list[str], steps: int, seed: int) -> Pixels:
    images = pipe(  # type: ignore[operator]
        texts,
        num_inference_steps=steps,
        guidance_scale=float(shapes.about()["guidance_scale"]),
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
        **own_arguments(pipe),
    ).images
    return (images * 255).astype("uint8")  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
