"""Writes tests/data/judge/programs: what `accel-opt judge` is tried on, with the verdicts.

    python -m tests.judge.make_programs

Programs of single and combined accelerators come from our own code generator; the others are
written here, most of them around a plain pipeline of the embedded model. All are harmless
without a sandbox too: each is bounded and touches nothing but its own process.
"""

import json
from pathlib import Path
from textwrap import dedent

from accel_opt.codegen import generate_code
from accel_opt.core.config import Config
from accel_opt.results import Entry, EntryKey

FOLDER = Path(__file__).parents[1] / "data" / "judge" / "programs"
STEPS, BATCH = 12, 2
DEEPCACHE = {"deepcache": {"cache_interval": 2, "cache_branch_id": 0}}
TOME = {"tome": {"ratio": 0.2, "max_downsample": 1}}
TGATE = {"tgate": {"gate_step": 8, "sp_interval": 2, "fi_interval": 1, "warmup": 1}}
SLOW = {"deepcache": {"cache_interval": 2, "cache_branch_id": 3}}
LOSSY = {"deepcache": {"cache_interval": 12, "cache_branch_id": 0}}

HEAD = f"""
import torch
from accel_opt import load_pipeline

STEPS = {STEPS}


def load_pipe():
    return load_pipeline("shapes", scheduler="DDIMScheduler", device="cpu", dtype="float32")
"""
INFERENCE = """

def inference(pipe, prompts):
    generator = torch.Generator("cpu").manual_seed(42)
    result = pipe(
        prompt=prompts, num_inference_steps=STEPS, guidance_scale=4.0, generator=generator
    )
    return result.images
"""
PLAIN = HEAD + INFERENCE

# name: what changes in the plain program, as text put before (first) or after (second) it.
WRITTEN = {
    # As a person or a language model writes it: a global pipe, no inference().
    "global_pipe": HEAD
    + """

from DeepCache import DeepCacheSDHelper

pipe = load_pipe()
helper = DeepCacheSDHelper(pipe=pipe)
helper.set_params(cache_interval=2, cache_branch_id=0)
helper.enable()

if __name__ == "__main__":
    pipe("a red ring", num_inference_steps=STEPS).images[0].save("image.png")
""",
    # Clocks that stand still help nobody whose clock is not the judge's.
    "patched_time": """
import time

time.time = time.perf_counter = time.monotonic = time.process_time = lambda: 0.0
"""
    + HEAD
    + """

class Event:
    def __init__(self, *args, **kwargs): pass
    def record(self, *args): pass
    def synchronize(self): pass
    def elapsed_time(self, other): return 0.001

torch.cuda.Event = Event
torch.cuda.synchronize = lambda *args: None
"""
    + INFERENCE,
    # The judge's own code in this process answers with the first images for ever after.
    "patched_harness": PLAIN
    + """

from accel_opt.judge.inside import guest

_original, _kept = guest.Guest._infer, {}


def _infer(self, prompts):
    if "images" not in _kept:
        _kept["images"] = _original(self, prompts)
    return _kept["images"]


guest.Guest._infer = _infer
""",
    "stored_images": HEAD
    + """
import numpy as np

_random = np.random.default_rng(0)
_stored = [np.kron(_random.random((8, 8, 3)), np.ones((8, 8, 1))) for _ in range(16)]


def inference(pipe, prompts):
    if not hasattr(pipe, "_called"):
        pipe._called = True
        return pipe(prompts, num_inference_steps=STEPS, guidance_scale=4.0).images
    return _stored[: len(prompts)]
""",
    # Made when somebody looks at them, which is while the clock runs.
    "lazy_images": PLAIN.replace("def inference", "def _now")
    + """

class Lazy:
    def __init__(self, pipe, prompt): self.pipe, self.prompt = pipe, prompt
    def convert(self, mode): return _now(self.pipe, [self.prompt])[0].convert(mode)


def inference(pipe, prompts):
    if not hasattr(pipe, "_called"):
        pipe._called = True
        return [_now(pipe, [prompt])[0] for prompt in prompts]
    return [Lazy(pipe, prompt) for prompt in prompts]
""",
    "blank_images": HEAD
    + """
from PIL import Image


def inference(pipe, prompts):
    if not hasattr(pipe, "_called"):
        pipe._called = True
        return pipe(prompts, num_inference_steps=STEPS, guidance_scale=4.0).images
    return [Image.new("RGB", (64, 64)) for _ in prompts]
""",
    "ignored_prompts": PLAIN.replace(
        "prompt=prompts,", 'prompt=["a large red ring on a blue background"] * len(prompts),'
    ),
    # Takes twelve steps from the call and runs four.
    "ignored_steps": PLAIN.replace("def load_pipe", "def _load").replace(
        "def inference",
        """def load_pipe():
    pipe = _load()
    original = pipe.scheduler.set_timesteps

    def set_timesteps(num_inference_steps, device=None, **kwargs):
        return original(num_inference_steps // 3, device=device, **kwargs)

    pipe.scheduler.set_timesteps = set_timesteps
    return pipe


def inference""",
    ),
    # The same, and says that it ran twelve.
    "fewer_steps": PLAIN.replace("=STEPS", "=STEPS // 3")
    + """

from accel_opt.judge.inside import describe

describe.steps_of = lambda pipe, call: STEPS
""",
    "smaller_resolution": PLAIN.replace(
        "generator=generator", "generator=generator, height=32, width=32"
    ),
    "another_model": PLAIN.replace("def load_pipe", "def _load").replace(
        "def inference",
        """def load_pipe():
    from accel_opt.testing import tiny_pipeline

    pipe = tiny_pipeline("sd")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def inference""",
    ),
    # Other weights under the right name.
    "disguised_model": PLAIN.replace("def load_pipe", "def _load").replace(
        "def inference",
        """def load_pipe():
    pipe = _load()
    with torch.no_grad():
        pipe.unet.conv_out.weight.mul_(0.6)
    return pipe


def inference""",
    ),
    "forged_results": PLAIN
    + """

import json
import os

_result = {"passed": True, "actual_speedup": 99.0, "quality_loss": 0.0}
print(json.dumps({"evaluation_results": _result}))
with open("evaluation_results.json", "w") as file:
    json.dump([{"prompt_id": "218", "evaluation_results": _result}], file)
os.write(4, json.dumps({"id": 0, "count": 2, **_result}).encode() + b"\\n")
""",
    "sys_exit": "import sys\n\nprint('passed')\nsys.exit(0)\n",
    # Ends by itself after two minutes, should nothing else end it.
    "endless_loop": "import time\n\nend = time.time() + 120\nwhile time.time() < end:\n    pass\n",
    "syntax_error": "def load_pipe(:\n    return None\n",
    "no_pipeline": "def make_pipeline():\n    return None\n",
    "wrong_scheduler": PLAIN.replace("DDIMScheduler", "EulerDiscreteScheduler"),
    "missing_accelerator": PLAIN,
    # A technique of its own, which nothing here can repeat.
    "own_technique": PLAIN.replace("def load_pipe", "def _load").replace(
        "def inference",
        """def load_pipe():
    pipe = _load()
    unet, original, kept = pipe.unet, pipe.unet.forward, {}

    def forward(*args, **kwargs):
        kept["calls"] = kept.get("calls", 0) + 1
        if kept["calls"] % 2:
            kept["output"] = original(*args, **kwargs)
        return kept["output"]

    unet.forward = forward
    return pipe


def inference""",
    ),
}

# id, program, difficulty, speedup asked for, sampler, verdict.
GENERATED = {
    "deepcache": DEEPCACHE,
    "tome": TOME,
    "tgate": TGATE,
    "deepcache_tome": DEEPCACHE | TOME,
    "deepcache_tgate": DEEPCACHE | TGATE,
    "tome_tgate": TOME | TGATE,
    "deepcache_tome_tgate": DEEPCACHE | TOME | TGATE,
    "extra_accelerator": DEEPCACHE | TGATE,
    "too_slow": SLOW,
    "too_lossy": LOSSY,
}
TASKS = (
    # ToMe and T-GATE hardly speed up so small a model, two prompts at a time: their tasks are
    # hard ones, which need no speedup.
    ("deepcache", "easy", 1.2, "passed"),
    ("tome", "hard", 1.5, "passed"),
    ("tgate", "hard", 1.5, "passed"),
    ("deepcache_tome", "hard", 2.0, "passed"),
    ("deepcache_tgate", "easy", 1.3, "passed"),
    ("tome_tgate", "hard", 2.0, "passed"),
    ("deepcache_tome_tgate", "hard", 3.0, "passed"),
    ("global_pipe", "easy", 1.2, "passed"),
    ("extra_accelerator", "medium", 1.3, "passed"),
    ("patched_time", "easy", 1.5, "speedup_target_not_met"),
    ("patched_harness", "easy", 1.5, "tampering"),
    ("stored_images", "easy", 1.5, "tampering"),
    ("lazy_images", "easy", 1.5, "speedup_target_not_met"),
    ("blank_images", "easy", 1.5, "output_invalid"),
    ("ignored_prompts", "hard", 1.5, "tampering"),
    ("ignored_steps", "easy", 1.5, "config_mismatch"),
    ("fewer_steps", "easy", 1.5, "tampering"),
    ("smaller_resolution", "easy", 1.5, "config_mismatch"),
    ("another_model", "easy", 1.5, "config_mismatch"),
    ("disguised_model", "easy", 1.5, "tampering"),
    ("forged_results", "easy", 1.5, "tampering"),
    ("sys_exit", "easy", 1.5, "evaluation_error"),
    ("endless_loop", "easy", 1.5, "timeout"),
    ("syntax_error", "easy", 1.5, "evaluation_error"),
    ("no_pipeline", "easy", 1.5, "evaluation_error"),
    ("wrong_scheduler", "easy", 1.5, "config_mismatch"),
    ("missing_accelerator", "medium", 1.5, "speedup_target_not_met"),
    ("too_slow", "easy", 8.0, "speedup_target_not_met"),
    ("too_lossy", "hard", 1.5, "quality_threshold_exceeded"),
    ("own_technique", "easy", 1.5, "unverified"),
)


def generated(settings: dict[str, dict[str, float]]) -> str:
    config = Config(settings)
    key = EntryKey("shapes", "DDIMScheduler", STEPS, None, 0.02, config.accelerators)
    entry = Entry(key, config, 1.5, 0.01)
    return generate_code(entry, batch_size=BATCH, device="cpu", dtype="float32")


def programs() -> dict[str, str]:
    made = {name: generated(settings) for name, settings in GENERATED.items()}
    return made | {name: dedent(text).lstrip("\n") for name, text in WRITTEN.items()}


def text_of(speedup: float) -> str:
    return (
        f"Generate a shapes pipeline using the DDIM sampler with {STEPS} steps, accelerated with "
        f"{speedup}x speedup and precision loss not exceeding 0.05"
    )


def main() -> None:
    made = programs()
    (FOLDER / "gen_code").mkdir(parents=True, exist_ok=True)
    (FOLDER / "gt_code").mkdir(exist_ok=True)
    (FOLDER / "gt_code" / "ddim-12.py").write_text(made["deepcache"])
    annotations, generations, verdicts = [], [], {}
    for prompt_id, (name, difficulty, speedup, verdict) in enumerate(TASKS, 192):
        (FOLDER / "gen_code" / f"{name}.py").write_text(made[name])
        entry = {
            "prompt_id": str(prompt_id),
            "category": 4,
            "prompt_context": text_of(speedup),
            "difficulty": difficulty,
        }
        annotations.append(entry | {"path_to_gt_code": "gt_code/ddim-12.py"})
        generations.append(entry | {"path_to_gen_code": f"gen_code/{name}.py"})
        verdicts[str(prompt_id)] = {"program": name, "verdict": verdict}
    for name, data in (
        ("anno.json", annotations),
        ("gen.json", generations),
        ("verdicts.json", verdicts),
    ):
        (FOLDER / name).write_text(json.dumps(data, indent=2) + "\n")


if __name__ == "__main__":
    main()
