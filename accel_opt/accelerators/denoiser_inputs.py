"""Arguments of one call of a denoiser with one sample, for those whose calls are known."""

from __future__ import annotations

from typing import Any

# Transformers whose calls `inputs_of` knows.
_TRANSFORMERS = (
    "FluxTransformer2DModel", "PixArtTransformer2DModel", "SD3Transformer2DModel",
)  # fmt: skip

# What the calls give unless told otherwise: T5's tokens, and CLIP's before them.
_JOINT_TEXT_TOKENS = {"FluxPipeline": 512, "StableDiffusion3Pipeline": 77 + 256}


def is_known(denoiser: Any) -> bool:
    """Whether `inputs_of` knows how to call a denoiser."""
    return type(denoiser).__name__ in _TRANSFORMERS or _is_plain_unet(denoiser)


def text_tokens_of(pipe: Any) -> int:
    """Text tokens that a pipeline gives its denoiser."""
    if type(pipe).__name__.startswith("PixArt"):
        return 300 if "Sigma" in type(pipe).__name__ else 120  # the calls' max_sequence_length
    if type(pipe).__name__ in _JOINT_TEXT_TOKENS:
        return _JOINT_TEXT_TOKENS[type(pipe).__name__]
    return int(getattr(getattr(pipe, "tokenizer", None), "model_max_length", 77))


def inputs_of(twin: Any, height: int, width: int, text_tokens: int) -> dict[str, Any]:
    """Arguments of one call with one sample; the default device says where they lie."""
    import torch

    config = twin.config
    sample = torch.empty(1, config.in_channels, height, width)
    if type(twin).__name__ == "UNet2DConditionModel":
        added = {}
        if config.addition_embed_type == "text_time":
            pooled = config.projection_class_embeddings_input_dim
            pooled -= 6 * config.addition_time_embed_dim
            added = {"text_embeds": torch.empty(1, pooled), "time_ids": torch.empty(1, 6)}
        return {
            "sample": sample,
            "timestep": torch.empty(()),
            "encoder_hidden_states": torch.empty(1, text_tokens, config.cross_attention_dim),
            "added_cond_kwargs": added,
        }
    if type(twin).__name__ == "PixArtTransformer2DModel":
        return {
            "hidden_states": sample,
            "timestep": torch.empty(1),
            "encoder_hidden_states": torch.empty(1, text_tokens, config.caption_channels),
            "encoder_attention_mask": torch.empty(1, text_tokens),
            "added_cond_kwargs": {
                "resolution": torch.empty(1, 2),
                "aspect_ratio": torch.empty(1, 1),
            },
        }
    if type(twin).__name__ == "FluxTransformer2DModel":
        n_tokens = (height // 2) * (width // 2)
        return {
            "hidden_states": torch.empty(1, n_tokens, config.in_channels),
            "timestep": torch.empty(1),
            "guidance": torch.empty(1) if config.guidance_embeds else None,
            "encoder_hidden_states": torch.empty(1, text_tokens, config.joint_attention_dim),
            "pooled_projections": torch.empty(1, config.pooled_projection_dim),
            "img_ids": torch.empty(n_tokens, 3),
            "txt_ids": torch.empty(text_tokens, 3),
        }
    assert type(twin).__name__ == "SD3Transformer2DModel"  # noqa: S101 - see `countable`
    return {
        "hidden_states": sample,
        "timestep": torch.empty(1),
        "encoder_hidden_states": torch.empty(1, text_tokens, config.joint_attention_dim),
        "pooled_projections": torch.empty(1, config.pooled_projection_dim),
    }


def _is_plain_unet(module: Any) -> bool:
    """Whether a UNet takes what those of Stable Diffusion take, and nothing more."""
    if type(module).__name__ != "UNet2DConditionModel":
        return False
    config = module.config
    more = (config.encoder_hid_dim_type, config.class_embed_type, config.num_class_embeds)
    return config.addition_embed_type in (None, "text_time") and more == (None, None, None)
