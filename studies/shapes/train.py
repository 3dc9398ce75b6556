"""Trains the embedded models of `accel_opt.shapes`: one command, resumable at any moment.

    python studies/shapes/train.py all          # every stage in order
    python studies/shapes/train.py vae clip     # some stages

Stages: vae, clip, unet, polish, then t5 and dit for `shapes-dit`, export. Each goes on from its
checkpoint under `checkpoints/`; touching `checkpoints/<stage>.stop` makes it end early with a
proper decay. `restore` makes checkpoints from the shipped weights, to train those further.
"""

import argparse
import importlib
import os
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing

STAGES = ("vae", "clip", "unet", "polish", "t5", "dit", "export")
MINUTES = {
    "restore": 0.0,
    "vae": 14.0,
    "clip": 14.0,
    "unet": 85.0,
    "polish": 8.0,
    "t5": 6.0,
    "dit": 120.0,
    "export": 0.0,
}
FOLDER = Path(__file__).parent / "checkpoints"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("stages", nargs="+", choices=("restore", *STAGES, "all"))
    parser.add_argument("--minutes", type=float, help="time limit of each stage, decay included")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    for name in STAGES if "all" in options.stages else options.stages:
        minutes = MINUTES[name] if options.minutes is None else options.minutes
        count = 1 if name in ("restore", "export") else options.processes
        with tempfile.TemporaryDirectory() as meeting:
            arguments = (count, meeting, (name, options.folder, minutes))
            torch.multiprocessing.spawn(work, arguments, nprocs=count)


def work(rank: int, count: int, meeting: str, stage: tuple[str, Path, float]) -> None:
    """One training process, of one thread when there are several."""
    if count > 1:
        torch.set_num_threads(1)
        url = f"file://{meeting}/rendezvous"
        dist.init_process_group("gloo", init_method=url, rank=rank, world_size=count)
    name, folder, minutes = stage
    importlib.import_module(name).train(folder, minutes)
    if count > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
