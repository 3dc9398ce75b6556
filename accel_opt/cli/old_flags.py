"""Flags of the scripts that this program replaces; an old command line still runs."""

from __future__ import annotations

# Old name and the field it fills now. --batch_size, --steps and --seed exist in both worlds.
OLD_ONLY = {
    "search_targets": "accelerators",
    "pipe": "model",
    "sched": "scheduler",
    "num_samples": "prompts",
    "req_speedup": "speedup",
    "req_time": "latency",
    "req_score_loss": "max_score_loss",
}
# What the scripts did when nothing else was said; any old-only flag brings all of it back.
OLD_DEFAULTS = {
    "model": "SD1.5",
    "scheduler": "DDIM",
    "steps": 50,
    "accelerators": ("deepcache",),
    "require_all": True,
    "prompts": 100,
    "batch_size": 4,
    "seed": 42,
}
