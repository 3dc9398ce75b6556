"""A study to look at: an analytic world with pictures, kept as a pipeline's would be."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from PIL.PngImagePlugin import PngInfo

from accel_opt.core.config import Config
from accel_opt.core.measurement import Batch, BatchMeasurement, Interval
from accel_opt.core.spec import StudySpec
from accel_opt.search.conditions import SPEC
from accel_opt.search.note import conclude
from accel_opt.search.references import Reference, compare
from accel_opt.search.study import SearchResult, search
from tests.search.tables import LIMITS, evaluate, loss, plan, space

PROMPTS = (
    "a large red ring on a blue background",
    "two green stars beside a yellow square",
    "a small white cross on black",
    "an orange triangle above a purple disc",
)
COLOURS = ("#b3261e", "#2e7d32", "#e8e8e8", "#ef6c00")
GROUNDS = ("#23418f", "#d9b53f", "#151515", "#5e3a87")
NAME = "SD1.5-DDIMScheduler-20-deepcache+tgate+tome"
CONDITIONS = {
    "model": "SD1.5",
    "pipeline": "StableDiffusionPipeline",
    "scheduler": "DDIMScheduler",
    "steps": 20,
    "guidance_scale": 7.5,
    "resolution": 512,
    "batch_size": 4,
    "dtype": "float16",
    "device": "NVIDIA H200",
    "metric": "clip",
    "scorer": "open_clip ViT-g-14 laion2b_s34b_b88k",
    "prompts": "coco 4f1c0a",
    "versions": {"torch": "2.13.0", "diffusers": "0.42.1"},
}


def picture(item: int, damage: float, size: int = 256) -> Image.Image:
    """A drawing that loses its edges and gains noise with the damage."""
    which = item % len(PROMPTS)
    image = Image.new("RGB", (size, size), GROUNDS[which])
    draw = ImageDraw.Draw(image)
    a, b = size * 0.22, size * 0.78
    if which == 0:
        draw.ellipse((a, a, b, b), outline=COLOURS[which], width=size // 9)
    elif which == 3:
        draw.polygon(((size / 2, a), (b, b), (a, b)), fill=COLOURS[which])
    else:
        draw.rectangle((a, a, b, b), fill=COLOURS[which])
    image = image.filter(ImageFilter.GaussianBlur(1 + 220 * damage))
    noise = np.random.default_rng([item, 1]).normal(0, 4 + 500 * damage, (size, size, 3))
    noisy = np.clip(np.asarray(image, float) + noise, 0, 255)
    return Image.fromarray(noisy.astype(np.uint8))


class Painter:
    """The analytic world, leaving images as the runner does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, config: Config, batch: Batch) -> BatchMeasurement:
        found = evaluate(config, batch)
        if batch.index:
            return found
        files = {}
        for name, item in (("0", 0), ("1", 1), ("worst", 3)):
            files[f"baseline-{name}"] = self.save("baseline", item, 0.0)
            damage = max(0.0, loss(config)) * (2.5 if name == "worst" else 1)
            files[f"accelerated-{name}"] = self.save(config.key, item, damage)
        return dataclasses.replace(found, artifacts=files)

    def save(self, stem: str, item: int, damage: float) -> str:
        path = self.folder / f"{stem}-{item}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            words = PngInfo()
            words.add_itxt("prompt", PROMPTS[item])
            picture(item, damage).save(path, pnginfo=words)
        return str(path)


def interval(value: float, reach: float) -> Interval:
    return Interval(value, value - reach, value + reach, 32)


def references() -> list[Reference]:
    steps = [(15, 1.31, 0.0041), (10, 1.93, 0.0123), (7, 2.68, 0.0297), (5, 3.6, 0.0562)]
    found = [
        Reference("fewer steps", f"{n} steps", interval(s, 0.02), interval(lost, 0.003))
        for n, s, lost in steps
    ]
    cut = [(10, 1.30, 0.0062), (5, 1.52, 0.0185)]
    return found + [
        Reference(
            "guidance cut-off",
            f"no guidance from step {n}",
            interval(s, 0.01),
            interval(lost, 0.003),
        )
        for n, s, lost in cut
    ]


def build(
    folder: Path, trials: int = 40, storage: str | None = None, **options
) -> tuple[str, SearchResult]:
    """Searches the demo world; returns the storage's URL and the result."""
    storage = storage or f"sqlite:///{folder / 'study.db'}"
    spec = StudySpec(
        model="SD1.5", scheduler="DDIMScheduler", steps=20, study=NAME, storage=storage
    )
    asked = plan(
        trials=trials,
        n_items=40,
        batch_size=10,
        confirm_items=240,
        conditions=CONDITIONS,
        attributes={SPEC: spec.model_dump_json()},
        **options,
    )
    result = search(space(), Painter(folder / "samples"), asked, storage=storage, study_name=NAME)
    if result.best is not None:
        measured = references()
        conclude(result, LIMITS, measured, compare(result.best, measured, 0.02))
    assert math.isfinite(result.trials[0].wall_s)
    return storage, result
