"""Speed and quality of accelerators and of fewer steps on the embedded model; writes compare.json.

Every setting runs beside the plain pipeline, batch by batch in ABBA order, so that drift cancels;
the accelerators are those of the public packages (DeepCache, tomesd, tgate).
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from check import BATCH, Scorer, figures, load_pipe, sheet
from drawing import Pixels

from accel_opt import shapes

Call = Callable[[list[str]], Pixels]
STEPS = 20


def caller(
    pipe: Any, guidance: float, steps: int = STEPS, method: str = "__call__", **options: Any
) -> Call:
    """A function from captions to pictures (n, 64, 64, 3) uint8, always from the same noise."""

    def call(texts: list[str]) -> Pixels:
        images = getattr(pipe, method)(
            texts,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=torch.Generator().manual_seed(42),
            output_type="np",
            **options,
        ).images
        return (images * 255).astype("uint8")  # type: ignore[no-any-return]

    return call


def deepcache(interval: int, branch: int, guidance: float) -> Call:
    from DeepCache import DeepCacheSDHelper

    pipe = load_pipe()
    helper = DeepCacheSDHelper(pipe=pipe)
    helper.set_params(cache_interval=interval, cache_branch_id=branch)
    helper.enable()
    return caller(pipe, guidance)


def tome(ratio: float, downsample: int, guidance: float) -> Call:
    import tomesd

    pipe = load_pipe()
    tomesd.apply_patch(pipe, ratio=ratio, max_downsample=downsample)
    return caller(pipe, guidance)


def tgate(gate: int, guidance: float, sp: int = 5, fi: int = 1, warm: int = 2) -> Call:
    from tgate import TgateSDLoader

    pipe = TgateSDLoader(load_pipe())
    names = {"gate_step": gate, "sp_interval": sp, "fi_interval": fi, "warm_up": warm}
    return caller(pipe, guidance, method="tgate", **names)


def cutoff(step: int, guidance: float) -> Call:
    """Plain pipeline without guidance from `step` on."""

    def drop(pipe: Any, index: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if index == step - 1:
            pipe._guidance_scale = 0.0  # noqa: SLF001 - documented for callbacks
            tensors["prompt_embeds"] = tensors["prompt_embeds"].chunk(2)[-1]
        return tensors

    return caller(
        load_pipe(),
        guidance,
        callback_on_step_end=drop,
        callback_on_step_end_tensor_inputs=["prompt_embeds"],
    )


def settings(guidance: float) -> dict[str, Callable[[], Call]]:
    """Name to a maker of the accelerated call."""
    made: dict[str, Callable[[], Call]] = {}
    for interval, branch in ((2, 0), (3, 0), (5, 0), (5, 1), (3, 3), (5, 3)):
        made[f"DeepCache ({interval}, {branch})"] = lambda i=interval, b=branch: deepcache(
            i, b, guidance
        )
    for downsample in (1, 4):
        made[f"ToMe 0.5 at {downsample}"] = lambda d=downsample: tome(0.5, d, guidance)
    made["ToMe 0.9 at 4"] = lambda: tome(0.9, 4, guidance)
    for gate in (10, 5):
        made[f"T-GATE gate {gate}"] = lambda g=gate: tgate(g, guidance)
        made[f"guidance cut-off {gate}"] = lambda g=gate: cutoff(g, guidance)
    made["T-GATE gate 5, sp 9, fi 5, warm 1"] = lambda: tgate(5, guidance, 9, 5, 1)
    for steps in (15, 10, 7, 5, 4, 3):
        made[f"{steps} steps"] = lambda s=steps: caller(load_pipe(), guidance, s)
    return made


def measure(plain: Call, call: Call, texts: list[str], times: int) -> tuple[float, Pixels]:
    """Speedup (exp of the mean log ratio of ABBA blocks) and the accelerated pictures."""
    batches = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
    pictures = np.concatenate([call(batch) for batch in batches])
    ratios = []
    for index in range(times):
        batch = batches[index % len(batches)]
        seconds = []
        for function in (plain, call, call, plain):
            started = time.perf_counter()
            function(batch)
            seconds.append(time.perf_counter() - started)
        ratios.append(math.log((seconds[0] + seconds[3]) / (seconds[1] + seconds[2])))
    return (math.exp(float(np.mean(ratios))) if ratios else math.nan), pictures


def main() -> None:
    parser = argparse.ArgumentParser(description="accelerators on the embedded model")
    parser.add_argument("--guidance", type=float, default=shapes.about()["guidance_scale"])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=2, help="ABBA blocks of each timing")
    parser.add_argument("--only", default="", help="settings whose name holds this text")
    parser.add_argument("--sheets", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "compare.json")
    options = parser.parse_args()
    scorer, plain = Scorer(), caller(load_pipe(), options.guidance)
    texts = list(shapes.heldout_captions())[: options.images]
    _, pictures = measure(plain, plain, texts, 0)
    base = figures(pictures, texts, scorer)
    rows: dict[str, dict[str, float]] = {"plain, 20 steps": {"speedup": 1.0, "loss": 0.0} | base}
    print(f"plain, 20 steps: {base}", flush=True)
    for name, make in settings(options.guidance).items():
        if options.only not in name:
            continue
        speedup, pictures = measure(plain, make(), texts, options.blocks)
        row = figures(pictures, texts, scorer)
        loss = (base["score"] - row["score"]) / base["score"]
        rows[name] = {"speedup": speedup, "loss": loss} | row
        print(
            f"{name:36s} {speedup:5.2f}x  loss {loss:7.2%}  score {row['score']:5.2f}  first "
            f"{row['first_among_32']:6.1%}  background {row['background']:6.1%}  "
            f"figures {row['figures']:6.1%}",
            flush=True,
        )
        if options.sheets:
            options.sheets.mkdir(parents=True, exist_ok=True)
            sheet(pictures, options.sheets / f"{name.replace(' ', '-')}.png")
    options.out.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
