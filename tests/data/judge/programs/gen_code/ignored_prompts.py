import torch
from accel_opt import load_pipeline

STEPS = 12


def load_pipe():
    return load_pipeline("shapes", scheduler="DDIMScheduler", device="cpu", dtype="float32")


def inference(pipe, prompts):
    generator = torch.Generator("cpu").manual_seed(42)
    result = pipe(
        prompt=["a large red ring on a blue background"] * len(prompts), num_inference_steps=STEPS, guidance_scale=4.0, generator=generator
    )
    return result.images
