"""ToMe: self-attention runs on fewer tokens, similar ones merged before it and copied out after."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from accel_opt.accelerators.base import MERGES_TOKENS, Accelerator, CodeLines, Preset
from accel_opt.accelerators.detect import Call
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.accelerators.model import denoiser_of
from accel_opt.accelerators.work import SELF, Work
from accel_opt.core.config import Params
from accel_opt.core.dims import Dim, Float, Int, Number
from accel_opt.core.run import Refusal, RunInfo

if TYPE_CHECKING:
    import torch


def level_of(n_tokens: int, height: int, width: int) -> tuple[int, int, int]:
    """Rows, columns and downsampling of the level that has `n_tokens` tokens.

    Every level halves the one above, rounding up; where none fits, a smaller one is returned.

    Args:
        n_tokens: Tokens of a transformer block.
        height: Rows at the finest level.
        width: Columns at the finest level.
    """
    level = 1
    while height * width > max(n_tokens, 1):
        height, width, level = (height + 1) // 2, (width + 1) // 2, level * 2
    return height, width, level


class TokenMerge:
    """One matching of tokens: every merged token goes into its most similar destination.

    One destination is drawn from each 2 x 2 square of the image; of the other tokens, the
    `n_merged` most similar to a destination are averaged into it. As tomesd 0.1.3
    (https://github.com/dbolya/tomesd), arXiv:2303.17604.

    Args:
        tokens: Features to compare, (B, height * width, C).
        height: Rows of tokens.
        width: Columns of tokens.
        n_merged: Tokens to merge away.
        generator: Draws the destinations; None takes each square's top left token.
    """

    def __init__(
        self,
        tokens: torch.Tensor,
        height: int,
        width: int,
        n_merged: int,
        generator: torch.Generator | None,
    ) -> None:
        order = self.destinations_first(tokens, height, width, generator)  # (1, N, 1)
        self.n_tokens = height * width
        n_destinations = (height // 2) * (width // 2)
        self.destinations = order[:, :n_destinations]
        self.sources = order[:, n_destinations:]
        n_merged = self.n_merged = min(self.n_tokens - n_destinations, n_merged)
        normed = tokens / tokens.norm(dim=-1, keepdim=True)
        sources, destinations = self.split(normed)
        best, partner = (sources @ destinations.transpose(-1, -2)).max(dim=-1)
        ranked = best.argsort(dim=-1, descending=True)[..., None]
        self.kept, self.merged = ranked[:, n_merged:], ranked[:, :n_merged]
        self.partners = partner[..., None].gather(-2, self.merged)

    @staticmethod
    def destinations_first(
        tokens: torch.Tensor, height: int, width: int, generator: torch.Generator | None
    ) -> torch.Tensor:
        """All positions, the destinations before the others, (1, height * width, 1)."""
        import torch

        rows, columns = height // 2, width // 2
        if generator is None:
            drawn = torch.zeros(rows, columns, 1, device=tokens.device, dtype=torch.int64)
        else:
            size = (rows, columns, 1)
            drawn = torch.randint(4, size=size, device=generator.device, generator=generator)
            drawn = drawn.to(tokens.device)
        squares = torch.zeros(rows, columns, 4, device=tokens.device, dtype=torch.int64)
        squares.scatter_(dim=2, index=drawn, src=-torch.ones_like(drawn))
        marks = torch.zeros(height, width, device=tokens.device, dtype=torch.int64)
        marks[: rows * 2, : columns * 2] = (
            squares.view(rows, columns, 2, 2).transpose(1, 2).reshape(rows * 2, columns * 2)
        )
        return marks.reshape(1, -1, 1).argsort(dim=1)

    def split(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Sources and destinations among tokens (B, N, C)."""
        batch, _, channels = tokens.shape
        sources = tokens.gather(1, self.sources.expand(batch, -1, channels))
        return sources, tokens.gather(1, self.destinations.expand(batch, -1, channels))

    def merge(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (B, N, C) as (B, N - n_merged, C)."""
        import torch

        sources, destinations = self.split(tokens)
        channels = tokens.shape[-1]
        kept = sources.gather(-2, self.kept.expand(-1, -1, channels))
        merged = sources.gather(-2, self.merged.expand(-1, -1, channels))
        partners = self.partners.expand(-1, -1, channels)
        destinations = destinations.scatter_reduce(-2, partners, merged, reduce="mean")
        return torch.cat([kept, destinations], dim=1)

    def unmerge(self, tokens: torch.Tensor) -> torch.Tensor:
        """Tokens (B, N - n_merged, C) as (B, N, C); merged ones get their destination's value."""
        batch, _, channels = tokens.shape
        n_kept = self.kept.shape[1]
        kept, destinations = tokens[:, :n_kept], tokens[:, n_kept:]
        sources = self.sources.expand(batch, -1, 1)
        whole = tokens.new_zeros(batch, self.n_tokens, channels)
        where = self.destinations.expand(batch, -1, channels)
        whole.scatter_(-2, where, destinations)
        where = sources.gather(1, self.kept).expand(-1, -1, channels)
        whole.scatter_(-2, where, kept)
        where = sources.gather(1, self.merged).expand(-1, -1, channels)
        copies = destinations.gather(-2, self.partners.expand(-1, -1, channels))
        return whole.scatter_(-2, where, copies)


class ToMeHooks:
    """Merges tokens inside self-attention, so that what caches its output sees whole images.

    Same output as `tomesd.apply_patch(pipe, ratio, max_downsample)` with a generator seeded
    with 0 before each call of the pipeline.

    Args:
        run: The pipeline's current run.
        ratio: Share of tokens to merge away; beyond 0.75 no sources are left.
        max_downsample: Coarsest level, relative to the denoiser's input, at which to merge.
    """

    def __init__(self, run: LiveRun, ratio: float, max_downsample: int) -> None:
        self.run = run
        self.ratio = min(ratio, 0.75)
        self.max_downsample = max_downsample
        self.generator: torch.Generator | None = None
        run.on_reset(self.reset)
        for module in list(run.denoiser.modules()):
            if type(module).__name__ == "BasicTransformerBlock":
                self.hook_block(module)

    def reset(self) -> None:
        """Lets the next run draw what this one drew."""
        self.generator = None

    def hook_block(self, block: Any) -> None:
        """Keeps what the block compares tokens by: its input, before any norm."""
        original, attention = block.forward, block.attn1
        attend = attention.forward
        seen: list[torch.Tensor] = []

        @functools.wraps(original)
        def forward(*args: Any, **kwargs: Any) -> Any:
            seen[:] = [args[0] if args else kwargs["hidden_states"]]
            try:
                return original(*args, **kwargs)
            finally:
                seen.clear()

        @functools.wraps(attend)
        def attend_to_fewer(hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            matching = self.match(seen[0]) if seen else None
            if matching is None:
                return attend(hidden_states, *args, **kwargs)
            return matching.unmerge(attend(matching.merge(hidden_states), *args, **kwargs))

        block.forward = forward
        attention.forward = attend_to_fewer

    def match(self, tokens: torch.Tensor) -> TokenMerge | None:
        """The matching for a block's tokens (B, N, C), or None where nothing is merged."""
        import torch

        height, width, level = level_of(tokens.shape[1], self.run.height, self.run.width)
        n_merged = int(tokens.shape[1] * self.ratio)
        fits = height * width == tokens.shape[1] and min(height, width) > 1
        if level > self.max_downsample or n_merged < 1 or not fits:
            return None
        if self.generator is None:
            # `meta` holds no numbers to draw.
            place = "cpu" if tokens.is_meta else tokens.device
            self.generator = torch.Generator(place).manual_seed(0)
        # An odd batch holds no pairs of a prompted and an unprompted image: equal destinations
        # for all would then show as artifacts.
        generator = self.generator if tokens.shape[0] % 2 == 0 else None
        with torch.no_grad():
            return TokenMerge(tokens, height, width, n_merged, generator)


class ToMe(Accelerator):
    """Merges similar tokens around self-attention."""

    name = "tome"
    requires = ("tomesd",)
    reference = "arXiv:2303.17604"
    params: ClassVar[dict[str, Dim]] = {
        "ratio": Float(0.1, 0.9, 0.1, faster="up", meaning="share of tokens merged away"),
        "max_downsample": Int(1, 4, faster="up", meaning="coarsest level that is merged"),
    }
    presets = (
        Preset({"ratio": 0.3, "max_downsample": 1}, "paper: 1.50x, FID 32.80 (33.12 without)"),
        Preset({"ratio": 0.5, "max_downsample": 1}, "paper: 1.87x, FID 33.02 (33.12 without)"),
        Preset({"ratio": 0.5, "max_downsample": 2}, "package's README: the other advised level"),
    )
    traits = frozenset({MERGES_TOKENS})
    hooks = ToMeHooks
    hook_parts = (level_of, TokenMerge)

    @override
    def supports(self, pipe: Any) -> Refusal | None:
        denoiser = denoiser_of(pipe)
        names = (
            {type(module).__name__ for module in denoiser.modules()}
            if denoiser is not None
            else set()
        )
        if "BasicTransformerBlock" not in names:
            return Refusal(
                f"{type(denoiser).__name__} has no BasicTransformerBlock, whose self-attention "
                "ToMe merges in"
            )
        return None

    @override
    def canonical(self, params: Params, run: RunInfo) -> dict[str, Number] | Refusal:
        values = self.parse(params)
        ratio, level = float(values["ratio"]), int(values["max_downsample"])
        levels = run.model.attention_levels
        if not 0 < ratio <= 1:
            return Refusal(f"ratio={ratio} merges nothing; it must be above 0 and at most 1")
        merged = [at for at in levels if at <= level]
        if not merged:
            return Refusal(
                f"max_downsample={level} merges nothing: this model attends at levels "
                f"{', '.join(map(str, levels))}; take one of these"
            )
        # A quarter of the tokens are destinations: beyond 0.75 nothing is left to merge.
        return {"ratio": min(ratio, 0.75), "max_downsample": max(merged)}

    @override
    def ranges(self, run: RunInfo) -> dict[str, Dim]:
        level = self.params["max_downsample"]
        low = min(run.model.attention_levels, default=1)
        high = max([at for at in run.model.attention_levels if at <= level.high], default=low)
        return {"ratio": self.params["ratio"], "max_downsample": level.narrowed(low, high)}

    @override
    def work(self, params: Params, run: RunInfo, table: Work) -> Work:
        import numpy as np

        del run
        ratio, max_level = min(float(params["ratio"]), 0.75), int(params["max_downsample"])
        factors = np.ones(len(table.denoiser.units))
        for number in table.numbers(SELF):
            unit = table.denoiser.units[number]
            height, width, level = level_of(
                unit.tokens, table.denoiser.height, table.denoiser.width
            )
            if level > max_level or height * width != unit.tokens:
                continue
            n_destinations = (height // 2) * (width // 2)
            n_sources = unit.tokens - n_destinations
            left = 1 - min(int(unit.tokens * ratio), n_sources) / unit.tokens
            matching = 2 * n_sources * n_destinations * unit.channels
            flops = unit.linear * left + unit.pairs * left**2 + matching
            factors[number] = flops / (unit.linear + unit.pairs)
        return table.scaled(factors)

    @override
    def detect(self, pipe: Any, call: Call) -> dict[str, Number] | Refusal | None:
        info = _package_info(pipe)
        if info is None:
            return super().detect(pipe, call)
        args = info["args"]
        for name, usual in _PACKAGE_DEFAULTS.items():
            if args.get(name, usual) != usual:
                return Refusal(f"tomesd runs with {name}={args[name]!r}; only {usual!r} is known")
        return {"ratio": args["ratio"], "max_downsample": args["max_downsample"]}

    @override
    def steady(self, pipe: Any) -> None:
        import torch

        info = _package_info(pipe)
        if info is not None:
            # The package's generator goes on from call to call, from an unknown start.
            info["args"]["generator"] = torch.Generator(pipe.device).manual_seed(0)

    @override
    def code(self, params: Params, run: RunInfo) -> CodeLines | None:
        if run.model.denoiser != "unet":
            return None  # the package's block knows no adaptive norm
        values = self.parse(params)
        return CodeLines(
            imports=("import tomesd", "import torch"),
            setup=(
                f"tomesd.apply_patch(pipe, {', '.join(f'{k}={v}' for k, v in values.items())})",
            ),
            # Its generator would go on from call to call, and no image could be made again.
            before_call=(
                "generator = torch.Generator(pipe.device).manual_seed(0)",
                'pipe.unet._tome_info["args"]["generator"] = generator',
            ),
            packages=self.requires,
        )


_PACKAGE_DEFAULTS = {
    "sx": 2, "sy": 2, "use_rand": True,
    "merge_attn": True, "merge_crossattn": False, "merge_mlp": False,
}  # fmt: skip


def _package_info(pipe: Any) -> dict[str, Any] | None:
    """What tomesd keeps on a denoiser that it has patched; None where it has not, or no more."""
    denoiser = denoiser_of(pipe)
    info: dict[str, Any] | None = None if denoiser is None else vars(denoiser).get("_tome_info")
    return info if info and info["hooks"] else None
