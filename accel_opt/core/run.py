"""What a plugin may know of a run before it starts: steps, guidance, the model's shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class ModelInfo:
    """The parts of a model's shape that decide which parameters make sense.

    Attributes:
        pipeline: Class name of the pipeline, such as "StableDiffusionPipeline".
        denoiser: "unet" or "transformer".
        branches: Number of branches at which a UNet's features can be cached; 0 for others.
        attention_levels: Downsampling factors, relative to the denoiser's input, at which
            self-attention exists: (1, 2, 4) in SD1.5's blocks and 8 in its middle one, (2, 4)
            for SDXL, whose middle block is at 4, (1,) for PixArt.
        traits: Further facts by name: numbers of "self_attentions" and "cross_attentions" in
            the blocks, and what foreign plugins want to know ("n_blocks", ...).
    """

    pipeline: str = "StableDiffusionPipeline"
    denoiser: Literal["unet", "transformer"] = "unet"
    branches: int = 12
    attention_levels: tuple[int, ...] = (1, 2, 4, 8)
    traits: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class RunInfo:
    """One run of a pipeline, before it starts.

    Attributes:
        steps: Number of denoiser calls (Heun calls twice a step).
        guidance_scale: Above 1 the pipeline runs an unconditional half beside the other.
        scheduler: Class name of the scheduler.
        model: Shape of the model.
        distinct_timesteps: False when the scheduler visits a timestep twice (Heun; some noise
            schedules), which packages that look steps up by timestep do not survive.
    """

    steps: int
    guidance_scale: float = 7.5
    scheduler: str = "DDIMScheduler"
    model: ModelInfo = field(default_factory=ModelInfo)
    distinct_timesteps: bool = True

    @property
    def guided(self) -> bool:
        """Whether classifier-free guidance doubles the batch."""
        return self.guidance_scale > 1


@dataclass(frozen=True)
class Refusal:
    """Why something cannot be done: the value, what is allowed, what to do instead."""

    reason: str

    def __bool__(self) -> bool:
        return True
