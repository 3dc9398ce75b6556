"""The trusted processes of one worker, warm from program to program, and its scorer."""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Sequence
from typing import Any

from accel_opt import shapes
from accel_opt.judge.claim import Claim
from accel_opt.judge.errors import ProgramError, Reason
from accel_opt.judge.model import Conditions
from accel_opt.judge.partner import Partner
from accel_opt.judge.places import inner_device, policy_for
from accel_opt.judge.sandbox import SandboxError
from accel_opt.measure.images import Images

# As long as a judge may run; each request to a trusted process ends with the program's limit.
_FOREVER_S = 30 * 24 * 3600.0


class Bench:
    """Baseline, replay and scorer of one device.

    Args:
        conditions: Conditions of the run.
        device: The worker's device.
    """

    def __init__(self, conditions: Conditions, device: str) -> None:
        self.conditions = conditions
        self.device = device
        self._partners: dict[str, Partner] = {}
        self._loaded: tuple[str, str] | None = None
        self._set: dict[str, dict[str, Any]] = {}
        self._scorers: dict[str, Scorer] = {}
        self.guests: list[Partner] = []

    def ready(self, model: str, claim: Claim, accelerators: dict[str, Any], role: str) -> Partner:
        """A trusted process that runs a model as a claim says.

        Args:
            model: What loads the model.
            claim: Scheduler, steps and arguments.
            accelerators: Setting; empty for the plain pipeline.
            role: "baseline" or "replay", which are two processes.

        Raises:
            ProgramError: It cannot be: `unverified` for what the claim wants.
        """
        if self._loaded != (model, claim.dtype) or any(p.broken for p in self._partners.values()):
            self.free()
            self._loaded = (model, claim.dtype)
        if role not in self._partners:
            self._partners[role] = self._started(model, claim.dtype)
            self._set.pop(role, None)
        wanted = {
            "scheduler": claim.scheduler,
            "scheduler_config": claim.scheduler_config,
            "accelerators": accelerators,
            "arguments": claim.arguments,
            "steps": claim.steps,
            "generator": claim.generator,
            "output": claim.output,
        }
        if self._set.get(role) != wanted:
            answer = self._partners[role].ask("set", **wanted)
            if "refused" in answer:
                self._set.pop(role, None)
                raise ProgramError(
                    Reason.UNVERIFIED, f"its config cannot be repeated: {answer['refused']}"
                )
            self._set[role] = wanted
        return self._partners[role]

    def scorer(self, model: str) -> Scorer:
        """The CLIP score that goes with a model."""
        own = str(shapes.clip_folder()) if model in shapes.NAMES else ""
        checkpoint = self.conditions.scorer or own
        if checkpoint not in self._scorers:
            self._scorers[checkpoint] = Scorer(checkpoint, self.device or "cpu")
        return self._scorers[checkpoint]

    def free(self) -> None:
        """Ends the trusted processes, which gives their memory back."""
        for partner in self._partners.values():
            partner.close()
        self._partners.clear()
        self._set.clear()
        self._loaded = None
        gc.collect()

    def end_all(self) -> None:
        """Ends every process from another thread; who waits for one is told of its end."""
        for partner in [*self.guests, *self._partners.values()]:
            with contextlib.suppress(SandboxError):  # not started yet
                partner.process.kill()

    def _started(self, model: str, dtype: str) -> Partner:
        policy = policy_for(self.conditions, self.device, _FOREVER_S)
        partner = Partner("trusted", policy, answer_s=self.conditions.timeout_s)
        partner.__enter__()
        try:
            partner.ask("load", model=model, device=inner_device(self.device), dtype=dtype)
        except BaseException:
            partner.close()
            raise
        return partner


class Scorer:
    """CLIP scores; an image that was scored already is not scored again.

    Args:
        checkpoint: CLIP checkpoint; "" takes the default.
        device: Where it runs.
    """

    def __init__(self, checkpoint: str, device: str) -> None:
        from accel_opt.metrics.clip_score import ClipScore

        self._metric = ClipScore(checkpoint, device) if checkpoint else ClipScore(device=device)
        self._known: dict[tuple[str, int], float] = {}

    @functools.cached_property
    def label(self) -> str:
        """Weights behind the numbers."""
        return self._metric.scorer

    def score(self, images: Images, prompts: Sequence[str]) -> tuple[float, ...]:
        """One number an image."""
        keys = [
            (prompt, hash(image.tobytes())) for image, prompt in zip(images, prompts, strict=True)
        ]
        new = [i for i, key in enumerate(keys) if key not in self._known]
        if new:
            scores = self._metric.score(images[new], [prompts[i] for i in new])
            self._known.update({keys[i]: score for i, score in zip(new, scores, strict=True)})
        return tuple(self._known[key] for key in keys)
