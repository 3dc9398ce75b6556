"""Judges one program from its file to its outcome."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from accel_opt.core.errors import EvaluationError, InputError
from accel_opt.judge.bench import Bench, Scorer
from accel_opt.judge.claim import Claim, read_claim
from accel_opt.judge.draw import Draw, pool
from accel_opt.judge.errors import ProgramError, Reason
from accel_opt.judge.measuring import Measured, Trio, measure, ours, paused
from accel_opt.judge.model import Outcome, Task
from accel_opt.judge.partner import Partner
from accel_opt.judge.places import policy_for
from accel_opt.judge.sandbox import SandboxError
from accel_opt.judge.truth import Truth, differences, identity, of_claim, of_text
from accel_opt.judge.verdict import verdict
from accel_opt.pipelines.catalogue import find_model

_LONGEST_PROGRAM = 4 << 20
OnStage = Callable[[str, int, int], object]


class Judge:
    """One worker: judges program after program on its device.

    Args:
        bench: The trusted processes.
        samples: Called with a task and the first batch of what was measured.
    """

    def __init__(
        self, bench: Bench, samples: Callable[[Task, Measured], object] = lambda *_: None
    ) -> None:
        self._bench = bench
        self._samples = samples
        self._truths: dict[str, Truth] = {}

    def judge(self, task: Task, on_stage: OnStage = lambda *_: None) -> Outcome:
        """The outcome of a task; what is wrong with the program never raises.

        A program that ran out of memory is tried once more with the device to itself, and one whose
        times were too unsteady for a verdict is measured once more.

        Raises:
            InputError: The run's conditions make no sense for this task's model.
        """
        outcome = self._tried(task, on_stage)
        if outcome.reason is Reason.OUT_OF_MEMORY:
            self._bench.free()
            again = "again, after out of memory"
        elif outcome.unsteady:
            again = "again, as the times were unsteady"
        else:
            return outcome
        on_stage(again, 0, 0)
        outcome = self._tried(task, on_stage)
        outcome.about["retried"] = True
        return outcome

    def describe(self, path: Path) -> Claim:
        """What a program is, after a short run of it.

        Raises:
            ProgramError: It has no pipeline, fails, or is too large.
        """
        conditions = self._bench.conditions
        with self._partner(_source(path)) as program:
            draw = Draw(pool(conditions.prompts_from or "embedded"))
            return self._opened(program, draw, conditions.batch_size)

    @contextmanager
    def opened(self, path: Path) -> Iterator[tuple[Partner, Claim, Draw, Scorer]]:
        """A running program beside its config, fresh prompts, and the scorer of its model.

        Raises:
            ProgramError: As `describe`.
        """
        with self._partner(_source(path)) as program:
            claim = self._opened(program, Draw(("a photo",)), 1)
            model = identity(claim.model)
            prompts = pool(self._bench.conditions.prompts_from or _prompts_of(model))
            yield program, claim, Draw(prompts), self._bench.scorer(model)

    def _tried(self, task: Task, on_stage: OnStage) -> Outcome:
        about: dict[str, Any] = {}
        shown: dict[str, Any] = {}
        try:
            outcome = self._judged(task, on_stage, about, shown)
        except ProgramError as error:
            mismatch = error.reason is Reason.CONFIG_MISMATCH
            matched = False if mismatch else True if shown.get("matched") else None
            outcome = Outcome(reason=error.reason, error=str(error), config_match=matched)
        except (EvaluationError, SandboxError) as error:
            outcome = Outcome(reason=Reason.EVALUATION_ERROR, error=str(error))
        details = {k: v for k, v in shown.items() if k != "matched"} | outcome.details
        return replace(outcome, details=details, about=about)

    def _judged(
        self, task: Task, on_stage: OnStage, about: dict[str, Any], shown: dict[str, Any]
    ) -> Outcome:
        conditions = self._bench.conditions
        if task.gen_file is None:
            where = task.gen_path or "the generation file"
            raise ProgramError(Reason.MISSING, f"there is no program for this task ({where})")
        source = _source(task.gen_file)
        about["program_sha256"] = hashlib.sha256(source).hexdigest()
        on_stage("ground truth", 0, 0)
        truth = self._truth(task)
        prompts = pool(conditions.prompts_from or _prompts_of(truth.model))
        on_stage("loading", 0, 0)
        with self._partner(source) as program:
            about["sandbox"] = _enforced(program)
            # Prompts and seeds are drawn from here on: the program is what it is.
            draw = Draw(prompts)
            claim = self._opened(program, draw, conditions.batch_size)
            shown |= _shown(claim)
            if wrong := differences(truth, claim):
                raise ProgramError(Reason.CONFIG_MISMATCH, "; ".join(wrong))
            shown["matched"] = True
            _check_chunks(claim, conditions.batch_size)
            on_stage("baseline", 0, 0)
            with paused(program):
                trio = self._trio(truth, claim, program, draw)
                scorer = self._bench.scorer(truth.model)
            hangs_on = None if task.difficulty == "hard" else task.target
            expected = 2 * math.ceil(conditions.prompts / conditions.batch_size / 2)
            found = Measured()
            try:
                found = measure(
                    trio,
                    claim,
                    draw,
                    scorer,
                    n_prompts=conditions.prompts,
                    target=hangs_on,
                    on_batch=lambda so_far: on_stage("measuring", len(so_far.rounds), expected),
                    found=found,
                )
            finally:
                if found.first is not None:
                    self._samples(task, found)
        return verdict(task, claim, found, scorer.label)

    def _trio(self, truth: Truth, claim: Claim, program: Partner, draw: Draw) -> Trio:
        with ours("baseline"):
            baseline = self._bench.ready(truth.model, claim, {}, "baseline")
        replay = None
        if claim.accelerators:
            with ours("replay"):
                replay = self._bench.ready(truth.model, claim, claim.accelerators, "replay")
        for partner, who in ((baseline, "baseline"), (replay, "replay")):
            if partner is not None:
                with ours(who):  # warm-up: the program's was the call that told its config
                    partner.generate(*draw.batch(sum(claim.chunks)), claim.chunks)
        return Trio(program, baseline, replay)

    def _truth(self, task: Task) -> Truth:
        if task.gt_file is not None:
            source = _source(task.gt_file)
            digest = hashlib.sha256(source).hexdigest()
            if digest in self._truths:
                return self._truths[digest]
            try:
                with self._partner(source) as program:
                    found = of_claim(self._opened(program, Draw(("a photo",)), 1, early=True))
            except ProgramError as error:
                told = of_text(task.context)
                if told is None:
                    raise ProgramError(
                        Reason.MISSING, f"the ground truth {task.gt_path} tells nothing: {error}"
                    ) from None
                return told
            self._truths[digest] = found
            return found
        told = of_text(task.context)
        if told is None:
            raise ProgramError(
                Reason.MISSING,
                f"no ground truth: no file {task.gt_path or '(no path)'}, and the text does not "
                "name model, sampler and steps",
            )
        return told

    def _opened(self, program: Partner, draw: Draw, size: int, *, early: bool = False) -> Claim:
        prompts, seed = draw.batch(size)
        path = str(program.path / "program.py")
        return read_claim(program.ask("open", path=path, prompts=prompts, seed=seed, early=early))

    def _partner(self, source: bytes) -> Partner:
        conditions = self._bench.conditions
        policy = policy_for(conditions, self._bench.device, conditions.timeout_s)
        partner = Partner("guest", policy, source)
        self._bench.guests[:] = [partner]
        return partner


def _source(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            source = file.read(_LONGEST_PROGRAM + 1)
    except OSError as error:
        raise ProgramError(Reason.MISSING, f"{path}: {error.strerror}") from None
    if len(source) > _LONGEST_PROGRAM:
        raise ProgramError(Reason.EVALUATION_ERROR, "a program of more than 4 MiB is not run")
    return source


def _prompts_of(model: str) -> str:
    try:
        return find_model(model).prompts_from
    except (InputError, OSError):
        return "coco"


def _check_chunks(claim: Claim, size: int) -> None:
    if not claim.chunks:
        raise ProgramError(
            Reason.UNVERIFIED, "its images do not come from the pipeline that it shows"
        )
    if sum(claim.chunks) != size:
        raise ProgramError(
            Reason.UNVERIFIED, f"it makes {sum(claim.chunks)} images for {size} prompts"
        )


def _shown(claim: Claim) -> dict[str, Any]:
    return {
        "accelerators": claim.accelerators,
        "config": {
            "pipeline": claim.pipeline,
            "model": claim.model,
            "scheduler": claim.scheduler,
            "steps": claim.steps,
            "dtype": claim.dtype,
            "device": claim.device,
            "resolution": list(claim.size),
            "found_in": claim.found_in,
        },
    }


def _enforced(program: Partner) -> dict[str, Any]:
    found = program.process.enforced
    return {
        "level": found.level.value,
        "landlock_abi": found.landlock_abi,
        "seccomp": found.seccomp,
        "own_user": found.own_user,
        "memory_by": found.memory_by,
    }
