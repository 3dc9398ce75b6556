"""FLOPs of whole runs on the `meta` device: nothing is computed, and no weights are needed."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from accel_opt.pipelines import find_model
from accel_opt.pipelines.random_weights import architecture, build
from accel_opt.pipelines.schedulers import set_scheduler

from cases import SCHEDULER  # isort: skip
from work_counter import work_counter  # isort: skip


def meta_pipeline(model: str) -> Any:
    """A full-size pipeline without numbers, and without the text encoders that are not counted."""
    found = find_model(model)
    plan = dict(architecture(found))
    encoders = [name for name in plan["components"] if name.startswith("text_encoder")]
    plan["components"] = {n: c for n, c in plan["components"].items() if n not in encoders}
    plan["options"] = plan.get("options", {}) | dict.fromkeys(encoders)
    pipe = build(plan, device="meta", dtype="float16", seed=0)
    set_scheduler(pipe, SCHEDULER)
    keep_timesteps_here(pipe.scheduler)
    return pipe


def keep_timesteps_here(scheduler: Any) -> None:
    """Lets timesteps stay numbers, as pipelines and packages look at them one by one."""
    original = scheduler.set_timesteps

    def set_timesteps(num_inference_steps: int | None = None, device: Any = None) -> None:
        del device
        original(num_inference_steps)

    scheduler.set_timesteps = set_timesteps


def arguments(pipe: Any, batch: int = 1) -> dict[str, Any]:
    """What a call takes in place of prompts, on the pipeline's device."""
    import torch

    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    config, place = denoiser.config, {"device": denoiser.device, "dtype": denoiser.dtype}

    def some(*shape: int) -> Any:
        return torch.zeros(batch, *shape, **place)

    size = config.sample_size
    found = {"latents": some(config.in_channels, size, size), "output_type": "latent"}
    if hasattr(pipe, "unet"):
        text = (pipe.tokenizer.model_max_length, config.cross_attention_dim)
        found |= {"prompt_embeds": some(*text), "negative_prompt_embeds": some(*text)}
        if config.addition_embed_type == "text_time":
            pooled = config.projection_class_embeddings_input_dim
            pooled -= 6 * config.addition_time_embed_dim
            found |= {
                "pooled_prompt_embeds": some(pooled),
                "negative_pooled_prompt_embeds": some(pooled),
            }
        return found
    length = 300 if "Sigma" in type(pipe).__name__ else 120
    text = (length, config.caption_channels)
    return found | {
        "prompt": None,
        "negative_prompt": None,
        "prompt_embeds": some(*text),
        "negative_prompt_embeds": some(*text),
        "prompt_attention_mask": some(length),
        "negative_prompt_attention_mask": some(length),
        "use_resolution_binning": False,
    }


@dataclass(frozen=True)
class Counted:
    """What one call did.

    Attributes:
        flops: FLOPs by module that has weights of its own, and of everything as "".
        calls: How often each module without children was called, by its path and the shape of
            what it was given.
    """

    flops: dict[str, float]
    calls: dict[tuple[str, tuple[int, ...]], int]

    @property
    def total(self) -> float:
        """FLOPs of everything."""
        return self.flops[""]

    @property
    def n_calls(self) -> int:
        """Calls of modules."""
        return sum(self.calls.values())


def counted(call: Any, pipe: Any, steps: int, batch: int = 1) -> Counted:
    """Counts one call: every operation as torch's FLOP counter does, every module by a hook."""
    import torch

    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    leaves = {path: m for path, m in denoiser.named_modules() if not any(m.children())}
    calls: Counter[tuple[str, tuple[int, ...]]] = Counter()
    counter = work_counter()
    handles = []
    for path, module in leaves.items():

        def enter(_: Any, given: tuple[Any, ...], path: str = path) -> None:
            calls[path, tuple(given[0].shape) if given else ()] += 1
            counter.inside.append(path)

        def leave(*_: Any) -> None:
            counter.inside.pop()

        handles.append(module.register_forward_pre_hook(enter))
        handles.append(module.register_forward_hook(leave))
    try:
        with torch.no_grad(), counter:
            call(num_inference_steps=steps, guidance_scale=7.5, **arguments(pipe, batch))
    finally:
        for handle in handles:
            handle.remove()
    with_weights = {path for path, m in leaves.items() if any(True for _ in m.parameters())}
    flops = {path: n for path, n in counter.flops.items() if path in with_weights}
    return Counted(flops | {"": float(sum(counter.flops.values()))}, dict(calls))
