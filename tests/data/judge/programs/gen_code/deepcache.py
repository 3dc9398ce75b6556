"""shapes, DDIMScheduler, 12 steps: deepcache(cache_branch_id=0, cache_interval=2).

Target: 1.5x; found: 1.5x (within reach)
Score loss: 1.00 %; allowed: 2 %
"""

import sys
from pathlib import Path
from typing import Any

import torch
from accel_opt import load_pipeline
from DeepCache import DeepCacheSDHelper  # type: ignore

MODEL = "shapes"
STEPS = 12
GUIDANCE_SCALE = 4.0
BATCH_SIZE = 2
SEED = 42
PROMPTS = ["a large red ring on a blue background"]
DEVICE = "cpu"
DTYPE = "float32"


def load_pipe() -> Any:
    """Returns the accelerated pipeline."""
    pipe: Any = load_pipeline(
        MODEL,
        scheduler="DDIMScheduler",
        device=DEVICE,
        dtype=DTYPE,
    )
    helper = DeepCacheSDHelper(pipe=pipe)
    helper.set_params(cache_interval=2, cache_branch_id=0)
    helper.enable()
    return pipe


def inference(pipe: Any, prompts: list[str]) -> list[Any]:
    """Generates one image for each prompt.

    Args:
        pipe: What `load_pipe` returned.
        prompts: Texts of any number.
    """
    images: list[Any] = []
    for start in range(0, len(prompts), BATCH_SIZE):
        batch = prompts[start : start + BATCH_SIZE]
        result = pipe(
            prompt=batch,
            num_inference_steps=STEPS,
            guidance_scale=GUIDANCE_SCALE,
            generator=torch.Generator("cpu").manual_seed(SEED),
        )
        images.extend(result.images)
    return images


def main() -> None:
    """Generates the prompts of the command line, or the ones above, into `images/`."""
    folder = Path("images")
    folder.mkdir(exist_ok=True)
    prompts = sys.argv[1:] or PROMPTS
    for number, image in enumerate(inference(load_pipe(), prompts)):
        image.save(folder / f"{number:03}.png")
        print(folder / f"{number:03}.png")


if __name__ == "__main__":
    main()
