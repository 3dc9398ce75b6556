import numpy as np
import pytest


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory):
    """A CLIPModel of toy size with its processor, as transformers saves it."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

    from accel_opt.pipelines.tokenizers import clip_tokenizer

    folder = tmp_path_factory.mktemp("clip")
    tokenizer = clip_tokenizer(16)
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = CLIPConfig(
        text_config={
            **layers,
            "num_attention_heads": 2,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 16,
            "bos_token_id": len(tokenizer) - 2,
            "eos_token_id": len(tokenizer) - 1,
        },
        vision_config={**layers, "num_attention_heads": 2, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = CLIPModel(config)
    model.save_pretrained(folder)
    size = {"shortest_edge": 32}
    crop = {"height": 32, "width": 32}
    processor = CLIPProcessor(CLIPImageProcessorPil(size=size, crop_size=crop), tokenizer)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def pictures():
    """Twenty images (20, 64, 64, 3), each a colour gradient with a disc, and their prompts."""
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[0:64, 0:64] / 63
    made = []
    for _ in range(20):
        top, left, disc = rng.random((3, 3))
        image = top * rows[..., None] + left * columns[..., None]
        y, x, radius = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.3)
        image[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = disc
        made.append(np.clip(image * 255, 0, 255).astype("uint8"))
    return np.stack(made), [f"picture number {i}" for i in range(20)]
