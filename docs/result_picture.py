"""The picture of README: every trial of a search, and what the winner's images look like."""

import math
from pathlib import Path

import matplotlib as mpl

import accel_opt
from accel_opt.prompts import load_prompts
from accel_opt.search import pareto

STYLE = {
    "stopped": ("#9a9a9a", ".", "stopped early"),
    "infeasible": ("#b3412f", "x", "loses too much"),
    "feasible": ("#1b7f5c", "o", "within the limit"),
}
SHOWN = 8


def result_picture(study, outcome, path: Path) -> None:
    """Plot and images as one PNG, readable on light and dark pages."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    winner = outcome.result.best
    if winner is None:
        raise SystemExit("this search found nothing feasible; run docs/pictures.py again")
    figure = plt.figure(figsize=(9, 6.4), dpi=130, layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.25, 1))
    plot_trials(upper.subplots(), study, outcome, winner)
    show_images(lower, study, winner)
    figure.savefig(path)
    plt.close(figure)


def plot_trials(axes, study, outcome, winner) -> None:
    """Speedup against loss: trials, front, references, the winner with its intervals."""
    limit = study.limits[0]
    for name, points in grouped(study).items():
        colour, marker, label = STYLE[name]
        if points:
            x, y = zip(*points, strict=True)
            axes.scatter(x, y, c=colour, marker=marker, s=34, label=label)
    best = pareto.front(study.ledger)
    if best:
        front = sorted((b.speedup.value, 100 * b.losses[limit.metric].value) for b in best)
        axes.plot(*zip(*front, strict=True), color="#1b7f5c", lw=1.2, zorder=1, label="front")
    steps = [r for r in outcome.references if r.kind == "fewer steps"]
    curve = sorted([(1.0, 0.0), *((r.speedup.value, 100 * r.score_loss.value) for r in steps)])
    axes.plot(*zip(*curve, strict=True), color="#3b6fb6", lw=1, ls=":", label="fewer steps")
    lost = winner.losses[limit.metric]
    speed = winner.speedup
    axes.errorbar(
        speed.value,
        100 * lost.value,
        xerr=[[speed.value - speed.low], [speed.high - speed.value]],
        yerr=[[100 * (lost.value - lost.low)], [100 * (lost.high - lost.value)]],
        fmt="*",
        ms=15,
        color="#e0a100",
        label=f"{'winner' if winner.confirmed else 'best found'}, {speed.value:.2f}x "
        f"{'on held-out prompts' if winner.confirmed else 'in the search, not confirmed'}",
    )
    axes.axhline(100 * limit.limit, color="black", lw=0.8, ls="--")
    losses = [y for points in grouped(study).values() for _, y in points]
    allowed = 100 * limit.limit
    low = min([*losses, *(y for _, y in curve), 100 * lost.low, 0])
    axes.set_ylim(max(low, -3 * allowed) - 1, min(max([*losses, 5]), 8 * allowed) + 1)
    axes.set_xlim(min(0.95, axes.get_xlim()[0]), max(x for x, _ in [*curve, (speed.high, 0)]) + 0.3)
    place = (axes.get_xlim()[0], 100 * limit.limit)
    axes.text(*place, " allowed loss", va="bottom", fontsize=8, clip_on=True)
    axes.set_xlabel("speedup over the baseline (x)")
    axes.set_ylabel("CLIP score loss (%)")
    axes.legend(fontsize=8, loc="best")
    axes.spines[["top", "right"]].set_visible(False)


def grouped(study) -> dict[str, list[tuple[float, float]]]:
    """Points (speedup, loss in percent) by what became of their trials."""
    groups: dict[str, list[tuple[float, float]]] = {name: [] for name in STYLE}
    for record in study.records:
        loss = record.losses.get(study.limits[0].metric)
        if record.measured and loss is not None:
            kind = "feasible" if record.feasible(study.limits) else "infeasible"
            kind = kind if record.outcome == "full" else "stopped"
            groups[kind].append((math.exp(record.speed.value), 100 * loss.value))
    return groups


def show_images(figure, study, winner) -> None:
    """The same held-out prompts and seeds, a row each: baseline, winner, too harsh."""
    spec = study.spec
    pipe = accel_opt.load_pipeline(spec.model, scheduler=spec.scheduler)
    prompts = list(load_prompts("embedded", 32, 240).heldout[:SHOWN])
    name = "winner" if winner.confirmed else "best found"
    rows = [("baseline", None), (f"{name}\n{winner.speedup.value:.2f}x", winner.config)]
    harsh = harshest(study)
    if harsh is not None and not harsh.within(study.limits):
        rows.append((f"too harsh\n{math.exp(harsh.speed.value):.2f}x", harsh.config))
    grid = figure.subplots(len(rows), SHOWN)
    for (label, config), axes in zip(rows, grid, strict=True):
        call = pipe if config is None else accel_opt.apply(pipe, config)
        for place, image in zip(axes, generate(call, prompts, spec), strict=True):
            place.imshow(image, interpolation="nearest")
            place.set_xticks([])
            place.set_yticks([])
        axes[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        if config is not None:
            call.remove()


def harshest(study):
    """The measured setting with the greatest loss."""
    metric = study.limits[0].metric
    measured = [r for r in study.records if r.measured and metric in r.losses]
    return max(measured, key=lambda r: r.losses[metric].value, default=None)


def generate(call, prompts, spec):
    """Images of `prompts`, 8 bit, one seed for all."""
    import torch

    images = call(
        prompt=prompts,
        num_inference_steps=spec.steps,
        guidance_scale=float(spec.guidance_scale or 1),
        generator=torch.Generator().manual_seed(7),
        output_type="np",
    ).images
    return (images * 255).astype("uint8")
