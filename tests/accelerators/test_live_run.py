import inspect

import pytest
import torch

from accel_opt.accelerators import registry
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.testing import generate, same, tiny_pipeline
from accel_opt.testing.tiny import FLOW_SCHEDULER


class Recorder:
    def __init__(self, pipe):
        self.run = LiveRun(pipe)
        self.seen, self.halves = [], []
        self.resets = 0
        self.run.on_reset(self.reset)
        original = self.run.denoiser.forward

        def forward(*args, **kwargs):
            self.seen.append((self.run.index, self.run.steps, self.run.guided))
            self.halves.append(self.run.half)
            return original(*args, **kwargs)

        self.run.denoiser.forward = forward
        self.run.start()

    def reset(self):
        self.resets += 1


@pytest.mark.parametrize("kind", ["sd", "sdxl", "pixart-alpha", "pixart-sigma"])
def test_calls_steps_and_guidance_are_known_at_each_call(kind):
    pipe = tiny_pipeline(kind)
    recorder = Recorder(pipe)
    generate(pipe, steps=3, prompt=["a", "b"])
    generate(pipe, steps=2, guidance=1.0)
    generate(pipe, steps=1, guidance=1.0, prompt=["a", "b"])
    assert recorder.seen == [
        *((n, 3, True) for n in range(3)),
        *((n, 2, False) for n in range(2)),
        (0, 1, False),
    ]
    assert recorder.resets == 6, "at the start of each run, and after its last call"
    assert (recorder.run.height, recorder.run.width) == ((8, 8) if "pixart" in kind else (16, 16))


def test_two_images_of_one_seed_without_guidance_are_no_guidance():
    pipe = tiny_pipeline("sd")
    recorder = Recorder(pipe)
    seeds = [torch.Generator().manual_seed(1) for _ in range(2)]
    pipe(["a cat"] * 2, num_inference_steps=1, guidance_scale=1.0, height=32, width=32,
         generator=seeds, output_type="latent")  # fmt: skip
    assert recorder.seen == [(0, 1, False)]


def test_without_prepare_latents_the_halves_are_compared():
    # Another pipeline of the same components: its methods are not watched.
    pipe = tiny_pipeline("sd")
    recorder = Recorder(pipe)
    twin = type(pipe)(**pipe.components, requires_safety_checker=False)
    twin.set_progress_bar_config(disable=True)
    generate(pipe, steps=1, prompt=["a", "b", "c"])
    generate(twin, steps=1, prompt=["a", "b"])
    generate(twin, steps=1, guidance=1.0, prompt=["a", "b"])
    assert [guided for _, _, guided in recorder.seen] == [True, True, False]


def test_schedulers_keep_their_signature():
    pipe = tiny_pipeline("sd")
    before = inspect.signature(pipe.scheduler.set_timesteps)
    LiveRun(pipe).start()
    assert inspect.signature(pipe.scheduler.set_timesteps) == before


def test_more_calls_than_timesteps_are_refused():
    pipe = tiny_pipeline("sd")
    call = pipe.unet.forward
    with registry.get("deepcache").applied(pipe, {"cache_interval": 3, "cache_branch_id": 0}):
        inner = pipe.unet.forward
        pipe.unet.forward = lambda x, *a, **k: (inner(x, *a, **k), inner(x + 0, *a, **k))[0]
        with pytest.raises(RuntimeError, match=r"more often than the schedule's 3 times.*object"):
            generate(pipe, steps=3)
    assert pipe.unet.forward == call


def test_halves_of_guidance_that_are_called_in_turn_have_one_number():
    pipe = tiny_pipeline("chroma", FLOW_SCHEDULER)
    recorder = Recorder(pipe)
    generate(pipe, steps=3, prompt=["a", "b"])
    generate(pipe, steps=2, guidance=1.0)
    assert recorder.seen == [
        *((n, 3, False) for n in (0, 0, 1, 1, 2, 2)),
        *((n, 2, False) for n in range(2)),
    ]
    assert recorder.halves == [0, 1] * 3 + [0, 0]
    assert recorder.resets == 4, "after the second half of the last call"


def test_one_step_may_have_two_halves():
    pipe = tiny_pipeline("chroma", FLOW_SCHEDULER)
    recorder = Recorder(pipe)
    generate(pipe, steps=1)
    assert (recorder.seen, recorder.halves) == ([(0, 1, False)] * 2, [0, 1])


def guidance_at(pipe, when):
    """Makes guidance run at some steps alone, by the end of the step before."""

    def callback(pipe, step, _, tensors):
        pipe._guidance_scale = 5.0 if when(step + 1) else 1.0
        return tensors

    return callback


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (lambda step: step in (0, 3), [0, 1, 0, 0, 0, 1]),  # begins anew at the last call
        (lambda step: step < 3, [0, 1, 0, 1, 0, 1, 0]),  # ends there
    ],
    ids=["begins", "ends"],
)
def test_guidance_may_begin_or_end_at_the_last_call(when, expected):
    pipe = tiny_pipeline("chroma", FLOW_SCHEDULER)
    recorder = Recorder(pipe)
    for _ in range(2):
        recorder.halves.clear()
        generate(pipe, steps=4, callback_on_step_end=guidance_at(pipe, when))
        assert recorder.halves == expected


def test_guidance_that_begins_at_the_last_call_is_accelerated():
    pipe = tiny_pipeline("chroma", FLOW_SCHEDULER)
    options = {"steps": 6, "callback_on_step_end": guidance_at(pipe, lambda step: step in (0, 5))}
    unguided = {"steps": 6, "callback_on_step_end": guidance_at(pipe, lambda step: step == 0)}
    expected = generate(pipe, **unguided)
    with registry.get("cfg_cutoff").applied(pipe, {"cutoff_step": 5}) as call:
        assert same(generate(call, **options), expected)
    for name in ("pab", "taylorseer"):
        plugin = registry.get(name)
        params = {p: dim.gently_first()[-1] for p, dim in plugin.params.items()}
        with plugin.applied(pipe, params) as call:
            first = generate(call, **options)
            assert same(first, generate(call, **options)), name
        assert not same(first, generate(pipe, **options)), name


def test_only_hooks_that_know_of_no_halves_are_refused_in_turn():
    class Hooks:
        def __init__(self, run):
            pass

    class Apart(Hooks):
        halves_apart = True

    pipe = tiny_pipeline("chroma", FLOW_SCHEDULER)
    run = LiveRun(pipe)
    run.put(Hooks)
    run.put(Apart)
    run.start()
    generate(pipe, steps=2, guidance=1.0)
    with pytest.raises(RuntimeError, match="after the other, and Hooks would mix them up"):
        generate(pipe, steps=2)


@pytest.mark.parametrize("patch", [(1, 2, 2), [2, 2], 2])
def test_patches_may_have_an_edge_for_each_axis(patch):
    pipe = tiny_pipeline("chroma", FLOW_SCHEDULER)
    pipe.transformer.register_to_config(patch_size=patch)
    run = LiveRun(pipe)
    run.start()
    generate(pipe, steps=1)
    assert run.width == 8  # 16 channels of packed latents


def test_schedulers_that_repeat_timesteps_run_under_everything():
    for scheduler in ("HeunDiscreteScheduler", "PNDMScheduler", "KDPM2DiscreteScheduler"):
        pipe = tiny_pipeline("sd", scheduler)
        plain = generate(pipe, steps=6)
        for name in registry.names():
            plugin = registry.get(name)
            if plugin.supports(pipe):
                continue
            params = {p: dim.gently_first()[-1] for p, dim in plugin.params.items()}
            with plugin.applied(pipe, params) as call:
                first = generate(call, steps=6)
                assert same(first, generate(call, steps=6)), (scheduler, name)
                assert not same(first, plain), (scheduler, name)
        assert same(plain, generate(pipe, steps=6)), scheduler
