"""Makes results/README.md and results/plot.svg from the lines that run.py kept.

python studies/benchmarks/search/report.py
"""

from __future__ import annotations

import collections
import json
import math
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results"
ORDER = ("deepcache16", "tome36", "tgate1800", "combo1M", "combo1M-off")
BARS = {"deepcache16": 9, "tome36": 8, "tgate1800": 10, "combo1M": 40}
RECORDED_BARS = {"deepcache": 9, "tome": 8, "tgate": 10}
HEAD = (
    "| space | strategy | runs | evaluations to 95 % | arrived | prompts to 95 % | "
    "evaluations to 99 % | arrived | wrong stops | sampler, ms |"
)
CONFIRM_HEAD = (
    "| world | strategy | held-out items | searches | confirmed | falsely | "
    "loss interval covers | speed interval covers | speed too high by |"
)
NAMES = (
    "gp-confirm",
    "gp-sure",
    "gp",
    "gp-blind",
    "gp-bare",
    "optuna-gp",
    "tpe",
    "random",
    "enumerate",
    "traversal-skip",
    "traversal",
)
# How a search looks for settings: for the fastest, and as users search, with confirmation to come.
WAYS = {"gp": "", "gp-confirm": ", confirmation to come"}


def median(values) -> float:
    ranked = sorted(math.inf if v is None else v for v in values)
    middle = len(ranked) // 2
    return ranked[middle] if len(ranked) % 2 else (ranked[middle - 1] + ranked[middle]) / 2


def shown(value: float) -> str:
    if value == math.inf:
        return "–"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def load(path: Path):
    groups = collections.defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        key = "infeasible" if row["variant"] == "infeasible" else "feasible"
        groups[row["kind"], row["strategy"], key].append(row)
    return groups


def table(groups) -> list[str]:
    lines = [
        HEAD,
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    kinds = [*ORDER, *sorted({kind for kind, _, _ in groups} - set(ORDER))]
    for kind in kinds:
        for name in NAMES:
            rows = groups.get((kind, name, "feasible"))
            if rows:
                lines.append(line(kind, name, rows))
    return lines


def line(kind: str, name: str, rows) -> str:
    def arrived(mark):
        return f"{sum(row[f'to{mark}'] is not None for row in rows) / len(rows):.0%}"

    # On those tables the rules' own goal is another one than the table's.
    rows_told = [] if name == "gp-sure" else rows
    wrong = sum(row.get("wrong_stops", 0) for row in rows_told)
    improvements = sum(row.get("improvements", 0) for row in rows_told)
    sampler = [row["sampler_ms"] for row in rows if "sampler_ms" in row]
    cells = [
        kind,
        name,
        str(len(rows)),
        shown(median(row["to95"] for row in rows)),
        arrived(95),
        shown(median(row["items95"] for row in rows)),
        shown(median(row["to99"] for row in rows)),
        arrived(99),
        f"{wrong} of {improvements}" if improvements else "",
        f"{median(sampler):.1f}" if sampler else "",
    ]
    return f"| {' | '.join(cells)} |"


def bars(groups) -> list[str]:
    lines = ["| bar | asked | measured | held |", "| --- | --- | --- | --- |"]

    def add(text, asked, measured, *, held):
        lines.append(f"| {text} | {asked} | {measured} | {'yes' if held else '**no**'} |")

    for name, how in WAYS.items():
        for kind in [*BARS, *sorted({kind for kind, _, _ in groups} - set(ORDER))]:
            rows = groups[kind, name, "feasible"]
            bar = BARS.get(kind) or RECORDED_BARS[kind.rpartition("-")[2]]
            if rows and not rows[0]["n_feasible"]:
                most = max(row["evaluations"] for row in rows)
                add(
                    f"{kind}: nothing feasible, evaluations{how}",
                    "<= 60",
                    str(most),
                    held=most <= 60,
                )
            elif rows:
                value = median(row["to95"] for row in rows)
                add(
                    f"{kind}: evaluations to 95 %{how}",
                    f"<= {bar}",
                    shown(value),
                    held=value <= bar,
                )
        large = groups["combo1M", name, "feasible"]
        share = sum(row["to95"] is not None for row in large) / len(large)
        add(f"combo1M: runs arriving{how}", ">= 95 %", f"{share:.0%}", held=share >= 0.95)
        prompts = median(row["items95"] for row in large)
        add(f"combo1M: prompts to 95 %{how}", "<= 1,500", shown(prompts), held=prompts <= 1500)
        for kind in ("tgate1800", "combo1M"):
            loops = groups[kind, "traversal", "feasible"]
            times = median(row["to95"] for row in loops) / median(
                row["to95"] for row in groups[kind, name, "feasible"]
            )
            add(f"{kind}: against nested loops{how}", ">= 20x", f"{times:,.0f}x", held=times >= 20)
    none = [row for (_, _, key), rows in groups.items() if key == "infeasible" for row in rows]
    if none:
        most = max(row["evaluations"] for row in none)
        said = all(row["ended"] == "infeasible" for row in none)
        text = f"nothing feasible ({len(none)} tables): said within"
        add(text, "<= 60", str(most), held=said and most <= 60)
    times = json.loads((RESULTS / "sampler.json").read_text(encoding="utf-8"))
    value, last = times["median_ms"], times["last_ten_ms"]
    text = f"sampler, median ms over {times['trials']} trials ({times['kind']})"
    add(text, "<= 100", f"{value:.0f} (last ten {last:.0f})", held=value <= 100)
    for text, names in (("", WAYS), (", every strategy", {*NAMES} - {"gp-sure"})):
        own = [row for (_, name, _), rows in groups.items() if name in names for row in rows]
        wrong = sum(row.get("wrong_stops", 0) for row in own)
        total = sum(row.get("improvements", 0) for row in own)
        held = wrong <= 0.01 * total
        add(f"feasible improvements stopped{text}", "<= 1 %", f"{wrong} of {total}", held=held)
    return lines


def plot(groups, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "accel_opt"
    import matplotlib.pyplot as plt

    kinds = [kind for kind in ORDER if (kind, "gp", "feasible") in groups]
    figure, axes = plt.subplots(1, len(kinds), figsize=(3.2 * len(kinds), 3), sharey=True)
    for axis, kind in zip(axes, kinds, strict=True):
        for name in NAMES:
            rows = groups.get((kind, name, "feasible"))
            if not rows:
                continue
            counts = sorted(row["to95"] for row in rows if row["to95"] is not None)
            heights = [(i + 1) / len(rows) for i in range(len(counts))]
            axis.step([1, *counts], [0, *heights], where="post", label=name)
        axis.set_xscale("log")
        axis.set_title(kind, fontsize=9)
        axis.set_xlabel("evaluations", fontsize=8)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("runs within 5 % of the best", fontsize=8)
    axes[-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    groups = load(RESULTS / "runs.jsonl")
    machines = sorted({row["machine"] for rows in groups.values() for row in rows})
    parts = ["# Search benchmark: results", ""]
    parts += [f"Made by `report.py` from `runs.jsonl`; run on: {'; '.join(machines)}.", ""]
    parts += ["## Bars", "", *bars(groups), "", "## All strategies", "", *table(groups), ""]
    parts += ["![runs within 5 % of the best, by evaluations](plot.svg)", ""]
    confirm = RESULTS / "confirm.json"
    if confirm.exists():
        parts += ["## Confirmation, simulated", ""]
        parts += [CONFIRM_HEAD, "| --- " * 9 + "|"]
        for row in json.loads(confirm.read_text(encoding="utf-8"))["rows"]:
            loss, speed = row["loss_covered"] / row["looks"], row["speed_covered"] / row["looks"]
            parts.append(
                f"| {row['world']} | {row['strategy']} | {row['items']} | {row['runs']:,} | "
                f"{row['confirmed']} | {row['false']} ({row['false'] / row['runs']:.1%}) | "
                f"{loss:.1%} | {speed:.1%} | {100 * row['speed_bias']:+.2f} % |"
            )
        parts.append("")
    (RESULTS / "README.md").write_text("\n".join(parts), encoding="utf-8")
    plot(groups, RESULTS / "plot.svg")
    print("\n".join(parts))


if __name__ == "__main__":
    main()
