"""The results as a page."""

from typing import Any


def markdown(result: dict[str, Any]) -> str:
    """The tables of one machine's results."""
    packages = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    where = "timed here" if result["timed"] else "counted on `meta`, nothing was timed: no GPU"
    parts = [
        f"# Full size on {result['machine']}",
        f"DDIM, guidance, random weights, {where}. {packages}.",
        "## FLOPs of the denoiser, plain over accelerated",
        "The same at every batch size. 20 and 50 steps.",
        _flops(result["flops"]),
        "## Beside ratios that were counted independently",
        _known(result["known"]),
    ]
    if result["packages"]:
        parts += [
            "## Plugin and package, whole runs counted module by module",
            "Batch 1, TFLOP of one run; equal in every module that has weights.",
            _packages(result["packages"]),
        ]
    if result["timed"]:
        parts += ["## Seconds", _timed(result["timed"])]
    return "\n\n".join(parts) + "\n"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _flops(rows: list[dict[str, Any]]) -> str:
    found: dict[tuple[str, str], dict[int, float]] = {}
    for row in rows:
        found.setdefault((row["model"], row["setting"]), {})[row["steps"]] = row["flops"]
    shown = [
        (model, setting, *(f"{of[n]:.2f}" if n in of else "" for n in (20, 50)))
        for (model, setting), of in found.items()
    ]
    return _table(("model", "setting", "20 steps", "50 steps"), shown)


def _known(rows: list[dict[str, Any]]) -> str:
    shown = [
        (r["model"], r["setting"], str(r["steps"]), f"{r['flops']:.3f}", f"{r['known']:g}",
         f"{100 * (r['flops'] / r['known'] - 1):+.2f} %")
        for r in rows
    ]  # fmt: skip
    return _table(("model", "setting", "steps", "here", "known", "difference"), shown)


def _packages(rows: list[dict[str, Any]]) -> str:
    shown = [
        (r["model"], r["setting"], str(r["steps"]), f"{r['plain'] / 1e12:.3f}",
         f"{r['plugin'] / 1e12:.3f}", f"{r['package'] / 1e12:.3f}",
         f"{r['plain'] / r['plugin']:.3f}", f"{r['composed']:.3f}",
         "yes" if r["same_modules"] else "no")
        for r in rows
    ]  # fmt: skip
    head = (
        "model",
        "setting",
        "steps",
        "plain",
        "plugin",
        "package",
        "ratio",
        "composed",
        "same modules",
    )
    return _table(head, shown)


def _timed(rows: list[dict[str, Any]]) -> str:
    shown = [
        (r["model"], r["setting"], str(r["steps"]), str(r["batch"]), f"{r['speedup']:.2f}",
         f"{r['plain_s']:.3f}" if "plain_s" in r else "",
         f"{r['fast_s']:.3f}" if "fast_s" in r else "", str(r.get("of_package", "")))
        for r in rows
    ]  # fmt: skip
    head = ("model", "setting", "steps", "batch", "speedup", "plain s", "fast s", "of the package")
    return _table(head, shown)
