"""The oldest evaluator's two numbers of one program: seconds per prompt and CLIP score."""

from __future__ import annotations

import math
from pathlib import Path

from accel_opt.judge.bench import Bench
from accel_opt.judge.model import Conditions
from accel_opt.judge.one import Judge
from accel_opt.judge.run import placed

N_PROMPTS = 20
N_WARM_UP = 5


def brief(path: Path, conditions: Conditions | None = None) -> tuple[float, float]:
    """Mean seconds and mean CLIP score over 20 prompts, one at a time, the first five warm-up.

    Raises:
        ProgramError: The program has no pipeline, or fails.
        SandboxUnavailableError: No sandbox works here that is allowed.
    """
    conditions = placed(conditions)
    bench = Bench(conditions, conditions.devices[0])
    seconds: list[float] = []
    scores: list[float] = []
    judge = Judge(bench)
    with judge.opened(path) as (program, claim, draw, scorer):
        del claim
        for number in range(N_PROMPTS):
            prompts, seed = draw.batch(1)
            taken, images = program.generate(prompts, seed, (1,))
            if number >= N_WARM_UP:
                seconds.append(taken)
                scores += scorer.score(images, prompts)
    return math.fsum(seconds) / len(seconds), math.fsum(scores) / len(scores)
