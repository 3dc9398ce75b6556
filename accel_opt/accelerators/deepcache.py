"""DeepCache: on most steps only the outermost layers of the UNet run, the rest is remembered."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, ClassVar

from typing_extensions import override

from accel_opt.accelerators.base import SKIPS_BLOCKS, Accelerator, CodeLines, Preset
from accel_opt.accelerators.detect import Call, behind, forward_of
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.accelerators.work import Work
from accel_opt.core.config import Params
from accel_opt.core.dims import Dim, Int, Number
from accel_opt.core.run import Refusal, RunInfo


class DeepCacheHooks:
    """Every `cache_interval`-th call runs the whole UNet, the others what lies outside a branch.

    Same output as DeepCache 0.1.1 (https://github.com/horseee/DeepCache), with calls counted
    instead of timesteps looked up, and only the modules wrapped that are ever skipped.

    Args:
        run: The pipeline's current run.
        cache_interval: Calls from one full run of the UNet to the next.
        cache_branch_id: 3 * block + layer, from the outermost: what lies deeper is skipped.
    """

    def __init__(self, run: LiveRun, cache_interval: int, cache_branch_id: int) -> None:
        self.run = run
        self.interval = cache_interval
        self.outputs: dict[int, Any] = {}
        self.full = True  # whether the current call runs everything
        self.start = 0  # the full call from which intervals are counted
        self.shape: Any = None
        run.on_reset(self.outputs.clear)
        for number, module in enumerate(self.skipped_modules(run.denoiser, cache_branch_id)):
            self.remember(module, number)
        self.decide(run.denoiser)

    @staticmethod
    def skipped_modules(unet: Any, cache_branch_id: int) -> Iterator[Any]:
        """The modules that do not run on the cheap calls, each the outermost of its kind."""
        branch, layer = divmod(cache_branch_id, 3)
        for number, block in enumerate(unet.down_blocks):
            if number > branch or (number == branch and layer == 0):
                yield block
            elif number == branch:
                yield from block.resnets[layer:]
                yield from (getattr(block, "attentions", None) or [])[layer:]
                if layer <= len(block.resnets):
                    yield from block.downsamplers or []
        yield unet.mid_block
        for number, block in enumerate(reversed(unet.up_blocks)):
            if number > branch:
                yield block
            elif number == branch:
                n_skipped = max(len(block.resnets) - 1 - layer, 0)
                yield from block.resnets[:n_skipped]
                yield from (getattr(block, "attentions", None) or [])[:n_skipped]

    def remember(self, module: Any, number: int) -> None:
        """Makes `module` answer from memory on the cheap calls."""
        original = module.forward

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            if self.full:
                self.outputs[number] = original(*args, **kwargs)
            return self.outputs[number]

        module.forward = forward

    def decide(self, unet: Any) -> None:
        """Makes the UNet settle at the start of each call whether it is a full one."""
        original = unet.forward

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            shape = (args[0] if args else kwargs["sample"]).shape
            # Another shape: somebody dropped the guidance half, and the memory does not fit.
            if not self.outputs or shape != self.shape or self.run.index in self.run.barriers:
                self.start, self.shape = self.run.index, shape
            self.full = (self.run.index - self.start) % self.interval == 0
            return original(*args, **kwargs)

        unet.forward = forward


class DeepCache(Accelerator):
    """Caches the UNet's deep features across steps."""

    name = "deepcache"
    requires = ("DeepCache",)
    reference = "arXiv:2312.00858"
    params: ClassVar[dict[str, Dim]] = {
        "cache_interval": Int(2, 5, faster="up", meaning="calls from one full run to the next"),
        "cache_branch_id": Int(0, 3, faster="down", meaning="depth from which features are kept"),
    }
    # The paper's own setting is the package's branch 1 (their MACs agree), the documentation's 0.
    presets = (
        Preset({"cache_interval": 2, "cache_branch_id": 1}, "paper, table 14: 1.50x, CLIP +0.07"),
        Preset({"cache_interval": 3, "cache_branch_id": 0}, "package's documentation: 2.3x"),
        Preset({"cache_interval": 3, "cache_branch_id": 1}, "paper, table 14: 1.68x, CLIP +0.09"),
        Preset({"cache_interval": 5, "cache_branch_id": 0}, "package's documentation: 3.2x"),
        Preset({"cache_interval": 5, "cache_branch_id": 1}, "paper, table 14: 2.11x, CLIP -0.05"),
    )
    traits = frozenset({SKIPS_BLOCKS})
    hooks = DeepCacheHooks

    @override
    def supports(self, pipe: Any) -> Refusal | None:
        unet = getattr(pipe, "unet", None)
        if unet is None:
            return Refusal(
                f"{type(pipe).__name__} has no UNet, whose blocks DeepCache skips; "
                "use tome, tgate or cfg_cutoff"
            )
        if not all(getattr(unet, part, None) for part in ("down_blocks", "up_blocks", "mid_block")):
            return Refusal(f"{type(unet).__name__} has no down, mid and up blocks to skip")
        return None

    @override
    def canonical(self, params: Params, run: RunInfo) -> dict[str, Number] | Refusal:
        values = self.parse(params)
        interval, branch = int(values["cache_interval"]), int(values["cache_branch_id"])
        if interval < 2:
            return Refusal(
                f"cache_interval={interval} skips nothing; it must be 2 to {run.steps} "
                "(the number of denoiser calls)"
            )
        if run.steps < 2:
            return Refusal(f"{run.steps} denoiser call leaves nothing to skip; use 2 steps or more")
        if not 0 <= branch < run.model.branches:
            return Refusal(
                f"cache_branch_id={branch} lies outside this model's branches; it must be 0 to "
                f"{run.model.branches - 1}, where greater skips less"
            )
        # From the number of calls on, only the first call is a full one.
        return {"cache_interval": min(interval, run.steps), "cache_branch_id": branch}

    @override
    def ranges(self, run: RunInfo) -> dict[str, Dim]:
        interval, branch = self.params["cache_interval"], self.params["cache_branch_id"]
        high = max(2, min(int(interval.high), run.steps))
        deepest = max(0, min(int(branch.high), run.model.branches - 1))
        return {
            "cache_interval": interval.narrowed(2, high),
            "cache_branch_id": branch.narrowed(0, deepest),
        }

    @override
    def work(self, params: Params, run: RunInfo, table: Work) -> Work:
        import numpy as np

        interval, branch = int(params["cache_interval"]), int(params["cache_branch_id"])
        twin = table.denoiser.twin
        skipped = table.denoiser.below(DeepCacheHooks.skipped_modules(twin, branch))
        runs = np.ones(table.flops.shape)
        start = 0
        for call in range(run.steps):
            start = call if call in table.barriers else start
            if (call - start) % interval:
                runs[call, skipped] = 0
        return table.scaled(runs)

    @override
    def detect(self, pipe: Any, call: Call) -> dict[str, Number] | Refusal | None:
        for value in behind(forward_of(getattr(pipe, "unet", None))):
            if type(value).__name__ != "DeepCacheSDHelper":
                continue
            params = value.params
            if params["skip_mode"] != "uniform":
                return Refusal(f"DeepCache skips by {params['skip_mode']!r}, not uniformly")
            if params["cache_interval"] <= 1:
                return None  # every call is a full one
            branch = 3 * params["cache_block_id"] + params["cache_layer_id"]
            return {"cache_interval": params["cache_interval"], "cache_branch_id": branch}
        return super().detect(pipe, call)

    @override
    def code(self, params: Params, run: RunInfo) -> CodeLines | None:
        if not run.distinct_timesteps:
            return None  # the package finds the step by its timestep
        values = self.parse(params)
        return CodeLines(
            imports=("from DeepCache import DeepCacheSDHelper",),
            setup=(
                "helper = DeepCacheSDHelper(pipe=pipe)",
                f"helper.set_params({', '.join(f'{k}={v}' for k, v in values.items())})",
                "helper.enable()",
            ),
            packages=self.requires,
        )
