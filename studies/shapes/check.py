"""Holds an embedded model against its bars; prints a table and writes check.json.

    python studies/shapes/check.py [--model shapes-dit] [--guidance 4] [--images 320]

Bars, at 20 DDIM steps on held-out captions: the scorer ranks the true caption first among 32 in at
least 90 %, and the pixel check agrees on background and on figures in at least 90 % each.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from drawing import Pixels
from PIL import Image
from pixels import agrees
from world import parse

sys.path.insert(0, str(Path(__file__).parents[2]))
import accel_opt
from accel_opt import shapes
from accel_opt.pipelines.calls import own_arguments

BATCH = 16
AMONG = 32
BAR = 0.9


def load_pipe(model: str = "shapes", checkpoints: Path | None = None) -> Any:
    """An embedded pipeline in float32, from the package or from checkpoints that are not in it."""
    if checkpoints is None:
        return accel_opt.load_pipeline(model, device="cpu")
    import export

    pipe = (export.dit_pipeline if model == "shapes-dit" else export.pipeline)(checkpoints)
    pipe.set_progress_bar_config(disable=True)
    return pipe


class Scorer:
    """The embedded CLIP: 100 x cosine similarity."""

    def __init__(self) -> None:
        from transformers import CLIPModel, CLIPProcessor

        folder = shapes.clip_folder()
        self.model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = CLIPProcessor.from_pretrained(folder)

    @torch.no_grad()
    def __call__(self, pictures: Pixels, texts: list[str]) -> torch.Tensor:
        """Scores of every picture (n, 64, 64, 3) with every text (m): (n, m)."""
        given = self.processor(
            text=texts,
            images=[Image.fromarray(picture) for picture in pictures],
            padding="max_length",
            truncation=True,
            return_tensors="pt",
        )
        out = self.model(**given)
        return 100 * out.image_embeds @ out.text_embeds.T


def generate(pipe: Any, texts: list[str], steps: int, guidance: float, seed: int = 42) -> Pixels:
    """Pictures of the captions, (n, 64, 64, 3) uint8; the generator starts anew for each batch."""
    parts = []
    for start in range(0, len(texts), BATCH):
        images = pipe(
            texts[start : start + BATCH],
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=torch.Generator().manual_seed(seed),
            height=64,
            width=64,
            output_type="np",
            **own_arguments(pipe),
        ).images
        parts.append((images * 255).astype("uint8"))
    return np.concatenate(parts)


def figures(pictures: Pixels, texts: list[str], scorer: Scorer) -> dict[str, float]:
    """Mean score, share of captions ranked first among 32, and the shares of the pixel check."""
    everything = list(shapes.heldout_captions())
    scores = scorer(pictures, everything)
    rng = random.Random(0)
    true, first = [], []
    for row, text in enumerate(texts):
        own = everything.index(text)
        others = rng.sample([i for i in range(len(everything)) if i != own], AMONG - 1)
        true.append(float(scores[row, own]))
        first.append(float(scores[row, own]) > float(scores[row, others].max()))
    checks = [agrees(p, parse(t)) for p, t in zip(pictures, texts, strict=True)]
    return {
        "score": float(np.mean(true)),
        "first_among_32": float(np.mean(first)),
        "background": float(np.mean([ground for ground, _ in checks])),
        "figures": float(np.mean([colours for _, colours in checks])),
    }


def sheet(pictures: Pixels, path: Path, columns: int = 16, scale: int = 2) -> None:
    """A contact sheet of the pictures."""
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    joined = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    size = (joined.shape[1] * scale, joined.shape[0] * scale)
    Image.fromarray(joined).resize(size, Image.Resampling.NEAREST).save(path)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--guidance", type=float, default=shapes.about()["guidance_scale"])
    parser.add_argument("--images", type=int, default=320)
    parser.add_argument("--steps", type=int, nargs="*", default=[20, 10, 7, 5, 3])
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--model", default="shapes", choices=shapes.NAMES)
    parser.add_argument("--checkpoints", type=Path, help="a folder of these, not the package's")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    pipe, scorer = load_pipe(options.model, options.checkpoints), Scorer()
    texts = list(shapes.heldout_captions())[: options.images]
    rows: dict[str, dict[str, float]] = {}
    print("steps  score  first of 32  background  figures  seconds")
    for steps in options.steps:
        started = time.perf_counter()
        pictures = generate(pipe, texts, steps, options.guidance)
        seconds = time.perf_counter() - started
        row = figures(pictures, texts, scorer)
        rows[str(steps)] = row
        print(
            f"{steps:5d}  {row['score']:5.1f}  {row['first_among_32']:11.1%}  "
            f"{row['background']:10.1%}  {row['figures']:7.1%}  {seconds:7.1f}",
            flush=True,
        )
        if options.sheet:
            sheet(pictures, options.sheet.with_stem(f"{options.sheet.stem}-{steps}"))
    held = {"images": options.images, "guidance": options.guidance, "steps": rows}
    name = "check.json" if options.model == "shapes" else f"check-{options.model}.json"
    out = options.out or Path(__file__).parent / name
    out.write_text(json.dumps(held, indent=2) + "\n")
    best = rows[str(options.steps[0])]
    return int(min(best["first_among_32"], best["background"], best["figures"]) < BAR)


if __name__ == "__main__":
    sys.exit(main())
