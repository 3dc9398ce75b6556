"""Judging programs that nobody vouches for: one that keeps its word, one that only says so."""

import json
from pathlib import Path

from accel_opt.judge import Conditions, judge_programs

PROGRAM = """
import torch
from accel_opt import load_pipeline
from DeepCache import DeepCacheSDHelper

def load_pipe():
    pipe = load_pipeline("shapes", scheduler="DDIMScheduler", device="cpu")
    helper = DeepCacheSDHelper(pipe=pipe)
    helper.set_params(cache_interval=2, cache_branch_id=0)
    helper.enable()
    return pipe

def inference(pipe, prompts):
    return pipe(prompts, num_inference_steps=12, guidance_scale=4.0).images
"""
# The same, with the images of its first call for every later one.
CHEAT = (
    PROGRAM.replace("def inference", "def honest")
    + """
STORED = {}

def inference(pipe, prompts):
    if not STORED:
        STORED["images"] = honest(pipe, prompts)
    return STORED["images"]
"""
)
TEXT = "Generate a shapes pipeline using the DDIM sampler with 12 steps and 1.1x speedup"


def main() -> None:
    tasks = {"honest": PROGRAM, "cheat": CHEAT}
    folder = Path("judged")
    folder.mkdir(exist_ok=True)
    for name, source in tasks.items():
        (folder / f"{name}.py").write_text(source)
    entries = [{"prompt_id": name, "difficulty": "hard", "prompt_context": TEXT} for name in tasks]
    (folder / "anno.json").write_text(json.dumps(entries))
    made = [entry | {"path_to_gen_code": f"{entry['prompt_id']}.py"} for entry in entries]
    (folder / "gen.json").write_text(json.dumps(made))
    results = judge_programs(
        folder / "anno.json",
        folder / "gen.json",
        folder / "evaluation_results.json",
        Conditions(prompts=4, batch_size=2, devices=("cpu",)),
        max_score_loss=0.1,
    )
    for result in results:
        found = result["evaluation_results"]
        outcome = "passed" if found["passed"] else found["failure_reason"]
        print(f"{result['prompt_id']}: {outcome}")


if __name__ == "__main__":
    main()
