"""Two replacements that make a bfloat16 training step on a CPU about twice as fast.

PyTorch's fused attention is slow backwards on CPUs, in bfloat16 above all, and so is its group
norm in bfloat16. Both replacements compute the same function; the saved model does not hold them.
"""

from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional


class PlainAttention:
    """Attention as two batched products and a softmax."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **_unused: Any,
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            _split(layer(x), attn.heads)
            for layer, x in (
                (attn.to_q, hidden_states),
                (attn.to_k, context),
                (attn.to_v, context),
            )
        )
        scores = (query * attn.scale) @ key.transpose(-1, -2)
        if attention_mask is not None:  # (b, 1, n), 0 where a token counts
            scores = scores + attention_mask[:, None]
        weights = torch.softmax(scores, dim=-1)
        joined = (weights.to(value.dtype) @ value).transpose(1, 2).flatten(2)
        return attn.to_out[0](joined)  # type: ignore[no-any-return]


def _split(x: Tensor, heads: int) -> Tensor:
    """(b, n, heads * d) to (b, heads, n, d)."""
    return x.unflatten(2, (heads, -1)).transpose(1, 2)


def _norm_in_float(self: nn.GroupNorm, x: Tensor) -> Tensor:
    return functional.group_norm(x.float(), self.num_groups, self.weight, self.bias, self.eps)


def speed_up(model: nn.Module) -> None:
    """Puts the replacements into a denoiser that is about to be trained."""
    model.set_attn_processor(PlainAttention())  # type: ignore[operator]
    for module in model.modules():
        if isinstance(module, nn.GroupNorm):
            module.forward = _norm_in_float.__get__(module)  # type: ignore[method-assign]
