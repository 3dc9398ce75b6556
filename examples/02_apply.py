"""Put a setting on a pipeline, use it, and take it off again."""

import numpy as np

import accel_opt

pipe = accel_opt.load_pipeline("shapes", scheduler="DDIM")
prompt = "a large red ring on a blue background"
setting = {"deepcache": {"cache_interval": 3, "cache_branch_id": 0}}


def image(call):
    import torch

    generator = torch.Generator().manual_seed(0)
    return call(prompt, num_inference_steps=20, generator=generator, output_type="np").images[0]


before = image(pipe)
with accel_opt.accelerated(pipe, setting) as fast:
    accelerated = image(fast)
after = image(pipe)

print("the accelerated image differs:", not np.array_equal(before, accelerated))
print("afterwards the pipeline is as before:", np.array_equal(before, after))

handle = accel_opt.apply(pipe, setting)  # the same without `with`
handle(prompt, num_inference_steps=20)
handle.remove()
