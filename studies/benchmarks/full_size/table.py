"""The results as a page."""

from typing import Any

_EQUAL = (
    "Batch 1, TFLOP of one run, and calls of modules without children. Equal: in FLOPs of every "
    "module that has weights, and in calls of every such module on every shape."
)
_SECONDS = (
    "Complete calls, in the order AB, BA; errors are standard errors in per cent. FLOPs are the "
    "denoiser's alone; fixed s is what the plain call takes outside the denoiser. How much "
    "first_block_cache skips hangs on the numbers, which are random here."
)


def markdown(result: dict[str, Any]) -> str:
    """The tables of one machine's results."""
    packages = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    where = "timed here" if result["timed"] else "counted on `meta`, nothing was timed: no GPU"
    parts = [
        f"# Full size on {result['machine']}",
        f"DDIM, guidance, random weights in {result['dtype']}, {where}. {packages}."
        + "".join(f" {name}: {value}." for name, value in result["backends"].items()),
        "## FLOPs of the denoiser, plain over accelerated",
        "The same at every batch size. 20 and 50 steps.",
        _flops(result["flops"]),
        "## Beside ratios that were counted independently",
        _known(result["known"]),
    ]
    if result["packages"]:
        parts += [
            "## Plugin and package, whole runs counted module by module",
            _EQUAL,
            _packages(result["packages"]),
        ]
    if result["fastest"]:
        parts += ["## The fastest of the default spaces, quality not looked at"]
        parts += [_fastest(result["fastest"])]
    if result["timed"]:
        parts += [
            "## Seconds per image",
            _SECONDS,
            _timed(result["timed"]),
        ]
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
         str(r["plugin_calls"]), str(r["package_calls"]), "yes" if r["ok"] else "no")
        for r in rows
    ]  # fmt: skip
    head = (
        "model", "setting", "steps", "plain", "plugin", "package", "ratio", "composed",
        "plugin's calls", "package's calls", "equal",
    )  # fmt: skip
    return _table(head, shown)


def _fastest(rows: list[dict[str, Any]]) -> str:
    shown = [
        (r["model"], str(r["steps"]), str(r["batch"]), r["setting"], f"{r['speedup']:.2f}",
         f"{r['wanted']:g}", "yes" if r["ok"] else "no")
        for r in rows
    ]  # fmt: skip
    return _table(("model", "steps", "batch", "setting", "speedup", "wanted", "reached"), shown)


def _timed(rows: list[dict[str, Any]]) -> str:
    shown = [
        (r["model"], r["setting"], str(r["steps"]), str(r["batch"]),
         r["failed"] if "failed" in r else _number(r, "speedup", ".2f"),
         _number(r, "error", ".1f", 100), _number(r, "flops", ".2f"),
         _number(r, "plain_s", ".3f"), _number(r, "fast_s", ".3f"), _number(r, "fixed_s", ".3f"),
         _number(r, "peak_mib", ".0f"), _number(r, "of_package", ".3f"),
         _number(r, "of_package_error", ".1f", 100))
        for r in rows
    ]  # fmt: skip
    head = (
        "model", "setting", "steps", "batch", "speedup", "error", "FLOPs", "plain s", "fast s",
        "fixed s", "peak MiB", "of the package", "error",
    )  # fmt: skip
    return _table(head, shown)


def _number(row: dict[str, Any], name: str, form: str, times: int = 1) -> str:
    return f"{row[name] * times:{form}}" if name in row else ""
