"""Makes the pictures of README and docs from a real study.

accel-opt search                      # the study
python docs/pictures.py studies/shapes-DDIMScheduler-20-deepcache+tgate+tome
"""

import argparse
import math
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw

import accel_opt
from accel_opt.prompts import load_prompts
from accel_opt.search.read import StudyView, read_study

HERE = Path(__file__).parent / "images"
STYLE = {
    "feasible": ("#1b7f5c", "o", "within the limit"),
    "infeasible": ("#b3412f", "x", "loses too much"),
    "stopped": ("#9a9a9a", ".", "stopped early"),
}


def plot_trials(study: StudyView, path: Path) -> None:
    """Speedup against loss, every trial, the front and the winner marked."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7.2, 4.2), dpi=140)
    limit = study.limits[0]
    groups: dict[str, list[tuple[float, float]]] = {name: [] for name in STYLE}
    for record in study.records:
        loss = record.losses.get(limit.metric)
        if not record.measured or loss is None:
            continue
        kind = "stopped"
        if record.outcome == "full":
            kind = "feasible" if record.feasible(study.limits) else "infeasible"
        groups[kind].append((math.exp(record.speed.value), 100 * loss.value))
    for name, points in groups.items():
        colour, marker, label = STYLE[name]
        if points:
            axes.scatter(*zip(*points, strict=True), c=colour, marker=marker, s=34, label=label)
    front = sorted(
        (math.exp(r.speed.value), 100 * r.losses[limit.metric].value)
        for r in study.records
        if r.key in study.front and r.outcome == "full"
    )
    if front:
        axes.plot(*zip(*front, strict=True), color="#1b7f5c", lw=1, label="front")
    winner = next((v.best for v in study.verdicts if v.confirmed), None)
    if winner is not None:
        loss_of = winner.losses[limit.metric]
        axes.errorbar(
            winner.speedup.value,
            100 * loss_of.value,
            xerr=[
                [winner.speedup.value - winner.speedup.low],
                [winner.speedup.high - winner.speedup.value],
            ],
            yerr=[
                [100 * (loss_of.value - loss_of.low)],
                [100 * (loss_of.high - loss_of.value)],
            ],
            fmt="*",
            ms=14,
            color="#e0a100",
            label="confirmed winner, held-out prompts",
        )
    axes.axhline(100 * limit.limit, color="black", lw=0.8, ls="--")
    axes.text(axes.get_xlim()[0], 100 * limit.limit, " limit", va="bottom", fontsize=8)
    losses = [y for points in groups.values() for _, y in points]
    axes.set_ylim(min([*losses, 0]) - 1, min(max([*losses, 5]), 25) + 1)
    axes.set_xlabel("speedup over the baseline (x)")
    axes.set_ylabel("CLIP score loss (%)")
    axes.legend(fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def images_before_and_after(study: StudyView, path: Path, n: int = 8) -> None:
    """The same held-out prompts and seeds: baseline above, the winner below, then too harsh."""
    winner = next((v.best for v in study.verdicts if v.confirmed), None)
    spec = study.spec
    if winner is None or spec is None:
        raise SystemExit("the study has no confirmed winner; run accel-opt search again")
    pipe = accel_opt.load_pipeline(spec.model, scheduler=spec.scheduler)
    prompts = list(load_prompts("embedded", 32, 240).heldout[:n])
    harsh = harshest(study)
    rows = [("baseline", None), (f"winner, {winner.speedup.value:.1f}x", winner.config)]
    if harsh is not None:
        rows.append((f"too harsh, {math.exp(harsh.speed.value):.1f}x", harsh.config))
    strips = []
    for label, config in rows:
        call = pipe if config is None else accel_opt.apply(pipe, config)
        images = generate(call, prompts, spec.steps, float(spec.guidance_scale or 1))
        if config is not None:
            call.remove()
        strips.append((label, images))
    Image.fromarray(sheet(strips)).save(path)


def harshest(study: StudyView):
    """The measured setting with the greatest loss."""
    metric = study.limits[0].metric
    measured = [r for r in study.records if r.measured and metric in r.losses]
    return max(measured, key=lambda r: r.losses[metric].value, default=None)


def generate(call, prompts, steps, guidance):
    """Images of `prompts`, 8 bit, one seed for all."""
    import torch

    generator = torch.Generator().manual_seed(7)
    output = call(
        prompt=prompts,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=generator,
        output_type="np",
    )
    return (output.images * 255).astype("uint8")


def sheet(strips, scale: int = 2, label_width: int = 130):
    """Rows of images with a label each."""
    rows = []
    for label, images in strips:
        big = images.repeat(scale, axis=1).repeat(scale, axis=2)
        row = np.concatenate(list(np.pad(big, ((0, 0), (2, 2), (2, 2), (0, 0)), "maximum")), axis=1)
        canvas = Image.new("RGB", (label_width, row.shape[0]), "white")
        ImageDraw.Draw(canvas).text((6, row.shape[0] // 2 - 6), label, fill="black")
        rows.append(np.concatenate([np.asarray(canvas), row], axis=1))
    return np.concatenate(rows, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    HERE.mkdir(exist_ok=True)
    study = read_study(folder.name, f"sqlite:///{folder / 'study.db'}")
    plot_trials(study, HERE / "trials.png")
    images_before_and_after(study, HERE / "before_after.png")


if __name__ == "__main__":
    main()
