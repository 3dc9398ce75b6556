import torch
from accel_opt import load_pipeline

STEPS = 12


def load_pipe():
    return load_pipeline("shapes", scheduler="DDIMScheduler", device="cpu", dtype="float32")


from DeepCache import DeepCacheSDHelper

pipe = load_pipe()
helper = DeepCacheSDHelper(pipe=pipe)
helper.set_params(cache_interval=2, cache_branch_id=0)
helper.enable()

if __name__ == "__main__":
    pipe("a red ring", num_inference_steps=STEPS).images[0].save("image.png")
