"""How a pipeline is called for a batch of prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CallOptions:
    """How the pipeline is called, for baseline and setting alike.

    Attributes:
        steps: Inference steps.
        guidance_scale: Guidance; None for pipelines that take none.
        negative_prompt: The same for every prompt, or None.
        resolution: Height and width in pixels; None takes the pipeline's own.
    """

    steps: int
    guidance_scale: float | None
    negative_prompt: str | None = None
    resolution: int | None = None

    def arguments(self, prompts: Sequence[str]) -> dict[str, Any]:
        """Keyword arguments of one call."""
        arguments: dict[str, Any] = {
            "prompt": list(prompts),
            "num_inference_steps": self.steps,
            "output_type": "np",
        }
        if self.guidance_scale is not None:
            arguments["guidance_scale"] = self.guidance_scale
        if self.negative_prompt is not None:
            arguments["negative_prompt"] = [self.negative_prompt] * len(prompts)
        if self.resolution is not None:
            arguments |= {"height": self.resolution, "width": self.resolution}
        return arguments


@dataclass(frozen=True)
class _Generated:
    images: Any


def in_parts(call: Callable[..., Any], parts: int) -> Callable[..., _Generated]:
    """The call made for some prompts after the other; the generator goes on between them."""

    def generate(**arguments: Any) -> _Generated:
        import numpy as np

        prompts = arguments["prompt"]
        size = -(-len(prompts) // parts)
        made = []
        for start in range(0, len(prompts), size):
            part = slice(start, start + size)
            cut = {n: v[part] if isinstance(v, list) else v for n, v in arguments.items()}
            made.append(call(**cut).images)
        return _Generated(np.concatenate(made))

    return generate
