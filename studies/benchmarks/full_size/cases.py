"""What is held against what: models, settings, and the FLOP ratios that were counted before."""

from dataclasses import dataclass
from typing import Any

from accel_opt.accelerators import registry, stack
from accel_opt.core.config import Config
from accel_opt.core.run import Refusal, RunInfo

MODELS = ("SD1.5", "SD2.1", "SDXL", "PixArt-α-1024")
STEPS = (50, 20)
BATCHES = (1, 8)
SCHEDULER = "DDIM"
DTYPE = "float16"
GUIDANCE = 7.5
TECHNIQUES = (
    "deepcache", "tome", "tgate", "cfg_cutoff", "pab", "taylorseer", "faster_cache",
    "first_block_cache",
)  # fmt: skip
# What these skip hangs on the numbers, which `meta` does not have: they are timed only.
BY_NUMBERS = frozenset({"first_block_cache"})


def deepcache(interval: int, branch: int = 0) -> dict[str, Any]:
    return {"deepcache": {"cache_interval": interval, "cache_branch_id": branch}}


def tome(ratio: float, level: int) -> dict[str, Any]:
    return {"tome": {"ratio": ratio, "max_downsample": level}}


def tgate(gate: int, sp: int, fi: int, warmup: int) -> dict[str, Any]:
    return {
        "tgate": {"gate_step": gate, "sp_interval": sp, "fi_interval": fi, "warmup": warmup},
    }


def cutoff(step: int) -> dict[str, Any]:
    return {"cfg_cutoff": {"cutoff_step": step}}


PAB = {"pab": {"self_broadcast": 2, "cross_broadcast": 6, "broadcast_start": 0.2}}

# The default spaces' harsh ends together: nothing in them does less work.
HARSHEST = {
    "SD1.5": deepcache(5) | tome(0.9, 4) | tgate(5, 9, 5, 1),
    "SD2.1": deepcache(5) | tome(0.9, 4) | tgate(5, 9, 5, 1),
    "SDXL": deepcache(5) | tome(0.9, 4) | tgate(5, 9, 5, 1),
    "PixArt-α-1024": tome(0.9, 1) | tgate(5, 9, 5, 1),
}
# Seconds on a GPU: what the best of 50 steps must reach (speed alone, quality not looked at).
FASTEST_AT_50 = {"SD1.5": 5.0, "SDXL": 6.0}
OF_THE_PACKAGE = 0.98

_UNET = (
    deepcache(2), deepcache(3), deepcache(5), deepcache(5, 3),
    deepcache(3) | tgate(10, 1, 1, 0),
    deepcache(3) | tome(0.5, 2),
    deepcache(3) | tome(0.5, 2) | tgate(10, 1, 1, 0),
    deepcache(5) | tome(0.5, 2) | tgate(5, 1, 1, 0),
    deepcache(5) | tgate(5, 1, 1, 0),
    deepcache(3) | cutoff(10), deepcache(3) | PAB, deepcache(3) | PAB | cutoff(10),
)  # fmt: skip
_ANY = (
    tgate(10, 5, 1, 2), tgate(5, 9, 5, 1),
    cutoff(10) | PAB,
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """Ratios of FLOPs that were counted independently, at 25 and at 50 steps.

    Attributes:
        config: Parameters by accelerator.
        at_25: Plain over accelerated.
        at_50: The same; None where it was not counted.
    """

    config: dict[str, Any]
    at_25: float | None
    at_50: float | None


def _known(row: tuple[dict[str, Any], float | None, float | None]) -> Known:
    return Known(*row)


KNOWN: dict[str, tuple[Known, ...]] = {
    "SD1.5": tuple(map(_known, (
        (deepcache(2), 1.79, 1.85), (deepcache(3), 2.44, 2.55), (deepcache(5), 3.80, 3.80),
        (deepcache(5, 1), None, 2.64), (deepcache(5, 2), None, 1.98), (deepcache(5, 3), None, 1.74),
        (tome(0.5, 1), 1.109, 1.109), (tome(0.5, 2), 1.136, 1.136), (tome(0.5, 4), None, 1.15),
        (tome(0.75, 8), 1.214, 1.214), (cutoff(10), 1.429, 1.667),
        (tgate(10, 1, 1, 0), 1.453, 1.712), (tgate(10, 5, 1, 2), 1.551, 1.778),
        (tgate(5, 9, 5, 1), 2.01, 2.24), (deepcache(3) | tgate(10, 1, 1, 0), 3.45, 4.11),
        (deepcache(3) | tome(0.5, 1), 2.76, 2.89),
        (deepcache(3) | tome(0.5, 1) | tgate(10, 1, 1, 0), 3.91, 4.66),
        (deepcache(5) | tgate(5, 1, 1, 0), None, 6.31),
        (deepcache(5) | tome(0.5, 1) | tgate(5, 1, 1, 0), 6.02, 7.27),
    ))),
    "SD2.1": tuple(map(_known, (
        (deepcache(2), 1.77, 1.83), (deepcache(3), 2.38, 2.49), (deepcache(5), 3.63, 3.63),
        (deepcache(5, 1), None, 2.39), (deepcache(5, 2), None, 1.76), (deepcache(5, 3), None, 1.58),
        (tome(0.5, 1), 1.212, 1.212), (tome(0.5, 2), 1.257, 1.257), (tome(0.75, 8), 1.396, 1.396),
        (cutoff(10), 1.429, 1.667), (tgate(10, 1, 1, 0), 1.449, 1.703),
        (tgate(10, 5, 1, 2), 1.608, 1.809), (tgate(5, 9, 5, 1), 2.22, 2.51),
        (deepcache(3) | tgate(10, 1, 1, 0), 3.36, 3.99), (deepcache(3) | tome(0.5, 1), 2.99, 3.13),
        (deepcache(3) | tome(0.5, 1) | tgate(10, 1, 1, 0), 4.22, 5.03),
        (deepcache(5) | tome(0.5, 1) | tgate(5, 1, 1, 0), 6.46, 7.78),
        (tome(0.5, 1) | tgate(10, 5, 1, 2), 1.85, 2.14),
    ))),
    "SDXL": tuple(map(_known, (
        (deepcache(2), 1.90, 1.97), (deepcache(3), 2.71, 2.86), (deepcache(5), 4.73, 4.73),
        (deepcache(5, 1), None, 4.34), (deepcache(5, 2), None, 3.95), (deepcache(5, 3), None, 3.30),
        (tome(0.5, 2), 1.054, 1.054), (tome(0.5, 4), None, 1.17), (tome(0.75, 4), 1.247, 1.247),
        (cutoff(10), 1.429, 1.667), (tgate(10, 1, 1, 0), 1.481, 1.763),
        (tgate(10, 5, 1, 2), 1.599, 1.844), (tgate(5, 9, 5, 1), 2.14, 2.42),
        (deepcache(3) | tgate(10, 1, 1, 0), 3.87, 4.67), (deepcache(3) | tome(0.5, 2), 2.85, 3.01),
        (deepcache(3) | tome(0.5, 2) | tgate(10, 1, 1, 0), 4.09, 4.93),
        (deepcache(5) | tome(0.5, 2) | tgate(5, 1, 1, 0), 6.60, 8.20),
    ))),
    "PixArt-α-1024": tuple(map(_known, (
        (cutoff(10), 1.429, 1.667), (tgate(10, 1, 1, 0), 1.497, 1.793),
        (tgate(10, 5, 1, 2), 1.772, 1.978), (tgate(5, 9, 5, 1), 2.86, 3.40),
    ))),
}  # fmt: skip


def settings(model: str, pipe: Any, run: RunInfo) -> list[Config]:
    """Every accelerator's presets and the combinations, in normal form, each once."""
    return _fitting([*presets(), *_combinations(model, run)], pipe, run)


def presets() -> list[dict[str, Any]]:
    """Published settings of every accelerator alone."""
    return [
        {name: dict(preset.params)}
        for name in TECHNIQUES
        for preset in registry.get(name).presets
    ]  # fmt: skip


def fastest(model: str, pipe: Any, run: RunInfo) -> list[Config]:
    """Settings that may be the fastest of the default spaces; merging need not pay on a GPU."""
    harshest = HARSHEST[model]
    without = {name: params for name, params in harshest.items() if name != "tome"}
    return _fitting([harshest, without], pipe, run)


def _combinations(model: str, run: RunInfo) -> list[dict[str, Any]]:
    if run.model.denoiser == "unet":
        harshest = HARSHEST[model]
        without = {name: params for name, params in harshest.items() if name != "tome"}
        return [*_ANY, harshest, without, *_UNET]
    merged = [tome(0.5, 1) | t for t in (tgate(10, 5, 1, 2), cutoff(10), PAB)]
    return [*_ANY, HARSHEST[model], *merged, tome(0.5, 1) | cutoff(10) | PAB]


def _fitting(raws: list[dict[str, Any]], pipe: Any, run: RunInfo) -> list[Config]:
    found: dict[Config, None] = {}
    for raw in raws:
        if stack.supports(raw, pipe):
            continue
        form = stack.canonical(Config(raw), run)
        if not isinstance(form, Refusal):
            found[form] = None
    return list(found)
