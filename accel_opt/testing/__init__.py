"""For plugin authors and our own tests: tiny pipelines, and the contract that plugins keep.

    from accel_opt.testing import AcceleratorContract

    class TestMine(AcceleratorContract):
        accelerator = MyAccelerator()

pytest then runs every clause on tiny pipelines of each kind that the accelerator supports.
"""

from accel_opt.testing.contract import AcceleratorContract
from accel_opt.testing.program import run_program
from accel_opt.testing.tiny import (
    FLOW_KINDS,
    FLOW_SCHEDULER,
    KINDS,
    SCHEDULERS,
    generate,
    tiny_pipeline,
)
from accel_opt.testing.traces import same, traces

__all__ = [
    "FLOW_KINDS",
    "FLOW_SCHEDULER",
    "KINDS",
    "SCHEDULERS",
    "AcceleratorContract",
    "generate",
    "run_program",
    "same",
    "tiny_pipeline",
    "traces",
]
