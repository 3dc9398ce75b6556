import torch
from accel_opt import load_pipeline

STEPS = 12


def _load():
    return load_pipeline("shapes", scheduler="DDIMScheduler", device="cpu", dtype="float32")


def load_pipe():
    from accel_opt.testing import tiny_pipeline

    pipe = tiny_pipeline("sd")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def inference(pipe, prompts):
    generator = torch.Generator("cpu").manual_seed(42)
    result = pipe(
        prompt=prompts, num_inference_steps=STEPS, guidance_scale=4.0, generator=generator
    )
    return result.images
