"""Counted FLOPs against the published and the reproduced figures, on full-size denoisers."""

from types import SimpleNamespace

import pytest
import torch
from diffusers import UNet2DConditionModel

from accel_opt.accelerators import stack
from accel_opt.accelerators.work import count, countable
from accel_opt.core.config import Config
from accel_opt.core.errors import RefusedError
from accel_opt.core.run import RunInfo
from accel_opt.testing import KINDS, tiny_pipeline
from accel_opt.testing.tiny import FLOW_KINDS, FLOW_SCHEDULER, HALVES_KIND

SD15 = {"sample_size": 64, "cross_attention_dim": 768}
SDXL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
    "use_linear_projection": True,
}


def deepcache(interval, branch=0):
    return {"deepcache": {"cache_interval": interval, "cache_branch_id": branch}}


def tome(ratio, level):
    return {"tome": {"ratio": ratio, "max_downsample": level}}


def tgate(gate, sp, fi, warmup):
    return {
        "tgate": {"gate_step": gate, "sp_interval": sp, "fi_interval": fi, "warmup": warmup}
    }  # fmt: skip


# Speedups by FLOPs at 25 and 50 steps, independently counted; SD1.5 at 64 x 64, SDXL at 128 x 128.
SPEEDUPS = {
    "sd15": [
        (deepcache(2), 1.79, 1.85),
        (deepcache(3), 2.44, 2.55),
        (deepcache(5), 3.80, 3.80),
        (deepcache(5, 1), 2.64, 2.64),
        (deepcache(5, 3), 1.74, 1.74),
        (tome(0.5, 1), 1.109, 1.109),
        (tome(0.5, 2), 1.136, 1.136),
        (tome(0.75, 8), 1.214, 1.214),
        (tgate(10, 1, 1, 0), 1.453, 1.712),
        (tgate(10, 5, 1, 2), 1.551, 1.778),
        (tgate(5, 9, 5, 1), 2.01, 2.24),
        ({"cfg_cutoff": {"cutoff_step": 10}}, 1.429, 1.667),
        (deepcache(3) | tgate(10, 1, 1, 0), 3.45, 4.11),
        (deepcache(3) | tome(0.5, 1), 2.76, 2.89),
        (deepcache(3) | tome(0.5, 1) | tgate(10, 1, 1, 0), 3.91, 4.66),
        (deepcache(5) | tome(0.5, 1) | tgate(5, 1, 1, 0), 6.02, 7.27),
    ],
    "sdxl": [
        (deepcache(3), 2.71, 2.86),
        (deepcache(5), 4.73, 4.73),
        (deepcache(5, 1), 4.34, 4.34),
        (tome(0.5, 2), 1.054, 1.054),
        (tome(0.75, 4), 1.247, 1.247),
        (tgate(10, 5, 1, 2), 1.599, 1.844),
        (tgate(5, 9, 5, 1), 2.14, 2.42),
        (deepcache(5) | tome(0.5, 2) | tgate(5, 1, 1, 0), 6.60, 8.20),
    ],
}


@pytest.mark.parametrize(("name", "shape"), [("sd15", SD15), ("sdxl", SDXL)])
def test_speedups_by_flops(name, shape):
    with torch.device("meta"):
        pipe = SimpleNamespace(unet=UNet2DConditionModel(**shape))
    for settings, *expected in SPEEDUPS[name]:
        for steps, speedup in zip((25, 50), expected, strict=True):
            run = RunInfo(steps, model=stack.model_info(pipe))
            found = 1 / stack.relative_work(Config(settings), run, pipe)
            assert found == pytest.approx(speedup, rel=0.003), (settings, steps)
    # The published MACs leave attention's products out: 16.938 T and 149.438 T at 25 steps.
    units = count(pipe).units
    macs = sum(unit.linear for unit in units if unit.kind != "cross-attention") * 25
    assert macs < {"sd15": 16.94e12, "sdxl": 149.44e12}[name]


@pytest.mark.parametrize("kind", KINDS)
def test_units_add_up_to_the_whole(kind):
    pipe = tiny_pipeline(kind)
    denoiser = count(pipe)
    assert denoiser is count(pipe), "the second time for nothing"
    assert count(pipe, 24, 24) is not denoiser
    assert len({unit.path for unit in denoiser.units}) == len(denoiser.units)
    run = RunInfo(10, guidance_scale=1.0)
    guided = RunInfo(10)
    assert stack.work(Config(), guided, denoiser) == 2 * stack.work(Config(), run, denoiser)


def test_deepcache_counts_what_runs():
    from torch.utils.flop_counter import FlopCounterMode

    # Without self-attention the CPU's count is whole: its products are not counted there.
    pipe = tiny_pipeline("sd")
    run = stack.run_info(pipe, 6)
    config = Config(deepcache(3, 2) | {"cfg_cutoff": {"cutoff_step": 4}})

    def counted():
        with FlopCounterMode(display=False) as counter:
            pipe("a cat", num_inference_steps=6, height=32, width=32, output_type="latent")
        by_module = counter.get_flop_counts()
        return sum(by_module["UNet2DConditionModel.mid_block.resnets.0"].values())

    plain = counted()
    with stack.applied(pipe, config):
        ratio = counted() / plain
    # Full calls are 0, 3 and 4, the last for one half.
    assert ratio == pytest.approx((2 + 2 + 1) / 12)
    units = count(pipe).units
    number = next(n for n, u in enumerate(units) if u.path == "mid_block.resnets.0")
    assert _column(config, run, pipe, number) / _column(Config(), run, pipe, number) == ratio


def _column(config, run, pipe, number):
    from accel_opt.accelerators.work import plain_work

    members = stack.order(config)
    barriers = frozenset(b for m in members for b in m.barriers(config[m.name], run))
    work = plain_work(count(pipe), run.steps, guided=True, barriers=barriers)
    for member in members:
        work = member.work(config[member.name], run, work)
    return work.flops[:, number].sum()


def test_unknown_denoisers_are_refused():
    pipe = SimpleNamespace(unet=None, transformer=torch.nn.Linear(1, 1))
    assert "sample_size" in countable(pipe).reason
    with pytest.raises(RefusedError, match="sample_size"):
        count(pipe)
    halves = tiny_pipeline(HALVES_KIND, FLOW_SCHEDULER)
    assert "--objective speedup" in countable(halves).reason
    with pytest.raises(RefusedError, match="how to call a ChromaTransformer2DModel"):
        count(halves)


@pytest.mark.parametrize("kind", [*KINDS, *FLOW_KINDS])
def test_what_is_said_to_be_countable_is(kind):
    pipe = tiny_pipeline(kind, FLOW_SCHEDULER if kind in FLOW_KINDS else "DDIMScheduler")
    assert countable(pipe) is None
    assert count(pipe).units


@pytest.mark.parametrize(
    "more",
    [
        {"encoder_hid_dim": 4096, "encoder_hid_dim_type": "text_proj"},  # Kolors
        {"class_embed_type": "timestep"},
        {"addition_embed_type": "text"},  # DeepFloyd
    ],
)
def test_unets_that_take_more_are_refused_before_they_fail(more):
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=16,
            block_out_channels=(32, 32),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=64,
            attention_head_dim=8,
            **more,
        )
    assert "measure seconds" in countable(SimpleNamespace(unet=unet)).reason
