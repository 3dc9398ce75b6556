"""Measures a program beside the baseline and beside the replay of its config.

The three take turns on the same batches, in orders that mirror one another two by two (ABBA), so
that a clock that drifts cancels out of each ratio; a coin says which order comes first, so that a
program cannot know what runs after it. While the others run, the program is stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from accel_opt.core.errors import BadImagesError
from accel_opt.core.measurement import BatchMeasurement, Interval, Limit
from accel_opt.judge.agreement import check_agreement
from accel_opt.judge.bench import Scorer
from accel_opt.judge.claim import Claim
from accel_opt.judge.draw import Draw
from accel_opt.judge.errors import ProgramError, Reason
from accel_opt.judge.model import LEEWAY
from accel_opt.judge.partner import Partner
from accel_opt.measure.images import Images, check
from accel_opt.measure.statistics import Estimate, log_speedup, mean, paired_loss, seconds_per_item

Who = Literal["baseline", "program", "replay"]
# While an interval holds a number on which the verdict hangs, up to so many times the batches.
MORE = 2
# While it looks faster than its own config and noise may be why: nobody is accused lightly.
MOST = 4
_LEAST_ROUNDS = 2


@dataclass(frozen=True)
class Trio:
    """Who is measured.

    Attributes:
        program: The program.
        baseline: The plain pipeline.
        replay: The program's config in our own code; None where that is the plain pipeline.
    """

    program: Partner
    baseline: Partner
    replay: Partner | None


@dataclass
class Measured:
    """What was measured so far.

    Attributes:
        rounds: Baseline and program, batch by batch.
        replayed: Baseline and replay.
        beside: Replay and program.
        agreement_db: Mean PSNR of the program's images to the replay's, batch by batch.
        first: The first batch's prompts, the baseline's images and the program's.
    """

    rounds: list[BatchMeasurement] = field(default_factory=list)
    replayed: list[BatchMeasurement] = field(default_factory=list)
    beside: list[BatchMeasurement] = field(default_factory=list)
    agreement_db: list[float] = field(default_factory=list)
    first: tuple[list[str], Images, Images] | None = None

    @property
    def log_speedup(self) -> Estimate:
        """Log of baseline over program."""
        return log_speedup(self.rounds)

    @property
    def log_excess(self) -> Estimate:
        """Log of replay over program: how much faster than its own config it is."""
        return log_speedup(self.beside)

    def loss(self, limit: Limit) -> Interval:
        """Relative loss of the CLIP score, with its interval."""
        base, fast = self.scores
        return paired_loss(base, fast, limit).interval()

    @property
    def scores(self) -> tuple[list[float], list[float]]:
        """Scores of the baseline's images and of the program's."""
        base = [score for r in self.rounds for score in r.baseline_scores["clip"]]
        return base, [score for r in self.rounds for score in r.scores["clip"]]

    @property
    def seconds(self) -> tuple[float, float]:
        """Seconds per prompt of the baseline and of the program."""
        items = [len(r.scores["clip"]) for r in self.rounds]
        base = seconds_per_item([r.baseline_seconds for r in self.rounds], items)
        return base, seconds_per_item([r.seconds for r in self.rounds], items)


def measure(
    trio: Trio,
    claim: Claim,
    draw: Draw,
    scorer: Scorer,
    *,
    n_prompts: int,
    target: float | None,
    on_batch: Callable[[Measured], object] = lambda _: None,
    found: Measured | None = None,
) -> Measured:
    """Measures until the verdict's numbers are clear, within limits.

    Args:
        trio: Who is measured; all are warm.
        claim: The program's config.
        draw: Where prompts and seeds come from.
        scorer: Scores images.
        n_prompts: Prompts to measure on; up to twice as many where they leave a doubt.
        target: Speedup on which the verdict hangs; None when none does.
        on_batch: Told after every batch.
        found: Filled, so that the caller has what was measured before an error.

    Raises:
        ProgramError: A process failed, or images are invalid or not the config's.
    """
    size = sum(claim.chunks)
    rounds = max(_LEAST_ROUNDS, 2 * math.ceil(n_prompts / size / 2))
    found = Measured() if found is None else found
    heads = draw.coin()
    while len(found.rounds) < rounds * _times(found, rounds, target):
        if len(found.rounds) % 2 == 0:
            heads = draw.coin()
        prompts, seed = draw.batch(size)
        forwards = heads == (len(found.rounds) % 2 == 0)
        _add(found, _turns(trio, claim, prompts, seed, forwards), prompts, claim, scorer)
        on_batch(found)
    return found


def _turns(
    trio: Trio, claim: Claim, prompts: list[str], seed: int, forwards: bool
) -> dict[Who, tuple[float, Images]]:
    order: list[Who] = ["baseline", "program", "replay"]
    found: dict[Who, tuple[float, Images]] = {}
    for who in order if forwards else order[::-1]:
        if who == "program":
            found[who] = trio.program.generate(prompts, seed, claim.chunks)
            continue
        partner = trio.baseline if who == "baseline" else trio.replay
        if partner is not None:
            with paused(trio.program), ours(who):
                found[who] = partner.generate(prompts, seed, claim.chunks)
    return found


def _add(
    found: Measured,
    turns: dict[Who, tuple[float, Images]],
    prompts: list[str],
    claim: Claim,
    scorer: Scorer,
) -> None:
    base_s, base = turns["baseline"]
    program_s, images = turns["program"]
    replay_s, replayed = turns.get("replay", turns["baseline"])
    if found.first is None and images.shape == base.shape:
        found.first = (prompts, base, images)
    found.agreement_db.append(_checked(images, replayed, base, prompts, claim))
    scores = {"clip": scorer.score(images, prompts)}
    base_scores = {"clip": scorer.score(base, prompts)}
    found.rounds.append(BatchMeasurement((program_s,), (base_s,), scores, base_scores))
    found.replayed.append(BatchMeasurement((replay_s,), (base_s,)))
    found.beside.append(BatchMeasurement((program_s,), (replay_s,)))


def _checked(
    images: Images, replayed: Images, base: Images, prompts: list[str], claim: Claim
) -> float:
    if images.shape == base.shape:
        try:
            check(images, tuple(prompts), base)
        except BadImagesError as error:
            raise ProgramError(Reason.OUTPUT_INVALID, str(error)) from None
    try:
        return check_agreement(images, replayed, claim.dtype)
    except ProgramError as error:
        raise excused(error, claim) from None


def excused(error: ProgramError, claim: Claim) -> ProgramError:
    """`tampering` becomes `unverified` where the program shows what we cannot repeat."""
    if error.reason is not Reason.TAMPERING or not claim.excuses:
        return error
    shown = "; ".join(claim.excuses)
    return ProgramError(Reason.UNVERIFIED, f"it shows what cannot be repeated: {shown}. {error}")


def _times(found: Measured, rounds: int, target: float | None) -> int:
    """How many times the usual batches to measure, by what they show so far."""
    if len(found.rounds) < rounds:
        return 1
    if _in_doubt(found.beside, LEEWAY):
        return MOST if found.log_excess.value > math.log(LEEWAY) else MORE
    return MORE if target is not None and _in_doubt(found.rounds, target) else 1


def _in_doubt(batches: list[BatchMeasurement], limit: float) -> bool:
    # Batch by batch, not joined: where drift is large, that is a doubt too.
    ratios = [math.log(b.baseline_seconds[0] / b.seconds[0]) for b in batches]
    interval = mean(ratios).log_interval()
    return interval.low < limit < interval.high


@contextmanager
def paused(program: Partner) -> Iterator[None]:
    """Stops the program while others are measured."""
    program.process.pause()
    try:
        yield
    finally:
        program.process.resume()


@contextmanager
def ours(who: str) -> Iterator[None]:
    """Does not blame the program for what fails on our side."""
    try:
        yield
    except ProgramError as error:
        if error.reason in (Reason.OUT_OF_MEMORY, Reason.UNVERIFIED):
            raise
        raise ProgramError(Reason.EVALUATION_ERROR, f"the {who} failed: {error}") from None
