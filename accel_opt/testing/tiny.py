"""Tiny pipelines: diffusers' own classes with random weights at toy size; no hub, no files."""

from __future__ import annotations

from typing import Any

KINDS = ("sd", "sdxl", "pixart-alpha", "pixart-sigma")
# Transformers over text and image tokens together; they know flow-matching schedulers alone.
FLOW_KINDS = ("flux", "sd3")
# Of these too, but calls its transformer for one half of guidance after the other, and its work
# cannot be counted.
HALVES_KIND = "chroma"
FLOW_SCHEDULER = "FlowMatchEulerDiscreteScheduler"
SCHEDULERS = ("DDIMScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler")


def tiny_pipeline(kind: str = "sd", scheduler: str = "DDIMScheduler", *, seed: int = 0) -> Any:
    """A text-to-image pipeline of toy size with random weights.

    Args:
        kind: "sd" (4 levels), "sdxl" (3 levels), "pixart-alpha", "pixart-sigma", "flux",
            "sd3" or "chroma".
        scheduler: A diffusers scheduler's class name; the last three kinds take
            `FLOW_SCHEDULER` alone.
        seed: Seed of the weights; the global generators are left as they are.

    Returns:
        The pipeline on the CPU, in float32, without safety checker and progress bar. Call it by
        `generate`, or with 32-pixel images.
    """
    import diffusers
    import torch

    builders = {
        "sd": _stable_diffusion,
        "sdxl": _stable_diffusion_xl,
        "pixart-alpha": _pixart,
        "pixart-sigma": _pixart,
        "flux": _flux,
        "sd3": _stable_diffusion_3,
        "chroma": _chroma,
    }
    if kind not in builders:
        raise ValueError(f"no tiny pipeline {kind!r}; there are {', '.join(builders)}")
    noise = getattr(diffusers, scheduler)(**_noise_options(kind))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipe = builders[kind](kind, noise)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _noise_options(kind: str) -> dict[str, Any]:
    if kind in (*FLOW_KINDS, HALVES_KIND):
        return {"use_dynamic_shifting": kind == "flux"}
    return {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
    }


def generate(
    call: Any,
    *,
    prompt: str | list[str] = "a cat",
    steps: int = 12,
    size: int = 32,
    guidance: float = 5.0,
    seed: int = 0,
    **arguments: Any,
) -> Any:
    """Latents of one call of a pipeline or a handle, (B, 4, size / 2, size / 2).

    Flux and Chroma keep their latents as tokens, (B, size * size / 16, 16).
    """
    import torch

    pipe = getattr(call, "pipe", getattr(call, "__self__", call))
    if type(pipe).__name__.startswith("PixArt"):
        # No bins are defined at toy size, and cleaning needs a package more.
        arguments.update(use_resolution_binning=False, clean_caption=False)
    if type(pipe).__name__.startswith("Chroma"):
        arguments.setdefault("max_sequence_length", 16)
    return call(
        prompt,
        num_inference_steps=steps,
        height=size,
        width=size,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(seed),
        output_type="latent",
        **arguments,
    ).images


def _letters() -> list[str]:
    return [chr(ord("a") + i) for i in range(26)]


def _clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    tokens = ["<|startoftext|>", "<|endoftext|>", *_letters(), *(f"{c}</w>" for c in _letters())]
    return CLIPTokenizer(
        vocab={token: i for i, token in enumerate(tokens)}, merges=[], model_max_length=16
    )


def _clip_encoder(*, projects: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=54,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        projection_dim=16,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return (CLIPTextModelWithProjection if projects else CLIPTextModel)(config).eval()


def _autoencoder(shift: float | None = None) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        shift_factor=shift,
    ).eval()


def _stable_diffusion(kind: str, scheduler: Any) -> Any:
    del kind
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8, 16, 16, 16),
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        attention_head_dim=2,
        cross_attention_dim=16,
        norm_num_groups=4,
    )
    return StableDiffusionPipeline(
        vae=_autoencoder(),
        text_encoder=_clip_encoder(),
        tokenizer=_clip_tokenizer(),
        unet=unet.eval(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _stable_diffusion_xl(kind: str, scheduler: Any) -> Any:
    del kind
    from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8, 16, 16),
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",),
        transformer_layers_per_block=(1, 1, 2),
        attention_head_dim=2,
        cross_attention_dim=32,
        norm_num_groups=4,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 16,
        use_linear_projection=True,
    )
    return StableDiffusionXLPipeline(
        vae=_autoencoder(),
        text_encoder=_clip_encoder(),
        text_encoder_2=_clip_encoder(projects=True),
        tokenizer=_clip_tokenizer(),
        tokenizer_2=_clip_tokenizer(),
        unet=unet.eval(),
        scheduler=scheduler,
        add_watermarker=False,
    )


def _t5_tokenizer() -> Any:
    from transformers import T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -5.0), ("▁", -3.0)]
    vocab = [*pieces, *((c, -4.0) for c in _letters())]
    return T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=16)


def _t5_encoder() -> Any:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=32, d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2, dropout_rate=0.0
    )
    return T5EncoderModel(config).eval()


def _pixart(kind: str, scheduler: Any) -> Any:
    from diffusers import PixArtAlphaPipeline, PixArtSigmaPipeline, PixArtTransformer2DModel

    transformer = PixArtTransformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        out_channels=8,
        num_layers=3,
        num_attention_heads=2,
        attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=16,
        use_additional_conditions=False,
    )
    pipeline = PixArtAlphaPipeline if kind == "pixart-alpha" else PixArtSigmaPipeline
    return pipeline(
        tokenizer=_t5_tokenizer(),
        text_encoder=_t5_encoder(),
        vae=_autoencoder(),
        transformer=transformer.eval(),
        scheduler=scheduler,
    )


def _flux(kind: str, scheduler: Any) -> Any:
    del kind
    from diffusers import FluxPipeline, FluxTransformer2DModel

    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        pooled_projection_dim=16,
        guidance_embeds=True,
        axes_dims_rope=(2, 2, 4),
    )
    return FluxPipeline(
        scheduler=scheduler,
        vae=_autoencoder(shift=0.05),
        text_encoder=_clip_encoder(),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=_t5_encoder(),
        tokenizer_2=_t5_tokenizer(),
        transformer=transformer.eval(),
    )


def _chroma(kind: str, scheduler: Any) -> Any:
    del kind
    from diffusers import ChromaPipeline, ChromaTransformer2DModel

    transformer = ChromaTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(2, 2, 4),
        approximator_num_channels=16,
        approximator_hidden_dim=16,
        approximator_layers=1,
    )
    return ChromaPipeline(
        scheduler=scheduler,
        vae=_autoencoder(shift=0.05),
        text_encoder=_t5_encoder(),
        tokenizer=_t5_tokenizer(),
        transformer=transformer.eval(),
    )


def _stable_diffusion_3(kind: str, scheduler: Any) -> Any:
    del kind
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=4,
        num_layers=3,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=32,
        out_channels=4,
        pos_embed_max_size=24,
    )
    return StableDiffusion3Pipeline(
        scheduler=scheduler,
        vae=_autoencoder(shift=0.05),
        text_encoder=_clip_encoder(projects=True),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=_clip_encoder(projects=True),
        tokenizer_2=_clip_tokenizer(),
        text_encoder_3=None,
        tokenizer_3=None,
        transformer=transformer.eval(),
    )
