"""The text encoder of `shapes-dit`: a small T5 that says what the frozen text tower says.

PixArt pipelines hold a T5 encoder. Trained along with the denoiser it would need as long as the
denoiser does; so it learns the small CLIP's hidden states instead, word for word, in minutes.
"""

from collections.abc import Callable
from pathlib import Path

import tokenizer
import torch
from clip import Towers
from data import captions_of, scenes, token_ids
from stage import Stage
from torch import Tensor
from torch.nn import functional
from transformers import CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

BATCH = 128  # for each process
WIDTH = 128  # the text tower's
LENGTH = 24  # tokens of a caption in training; pipelines pad further, and mask


def build_tokenizer() -> T5Tokenizer:
    """Every word of the world is one piece; others fall into letters."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0), ("\u2581", -12.0)]
    pieces += [(f"\u2581{word}", -1.0) for word in tokenizer.words() if word != "a"]
    pieces.append(("\u2581a", -1.0))
    pieces += [(letter, -10.0) for letter in "abcdefghijklmnopqrstuvwxyz0123456789,.-'"]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=120)


def build(words: T5Tokenizer) -> T5EncoderModel:
    """An untrained encoder of two layers."""
    torch.manual_seed(3)
    config = T5Config(
        vocab_size=len(words),
        d_model=WIDTH,
        d_kv=32,
        d_ff=256,
        num_layers=2,
        num_heads=4,
        dropout_rate=0.0,
        feed_forward_proj="gated-gelu",
        pad_token_id=words.pad_token_id,
        eos_token_id=words.eos_token_id,
    )
    return T5EncoderModel(config)


def encoded(texts: list[str], words: T5Tokenizer) -> tuple[Tensor, Tensor]:
    """Token numbers and mask, (n, 24) each."""
    found = words(
        texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    )
    return found.input_ids, found.attention_mask


@torch.no_grad()
def told(folder: Path, texts: list[str]) -> Tensor:
    """What the text tower says of each word and of the end, (n, 24, 128); zeros beyond."""
    clip_words: CLIPTokenizer = tokenizer.build(folder / "tokenizer")
    towers = Towers(clip_words)
    towers.load_state_dict(torch.load(folder / "clip.pt", weights_only=True)["average"])
    model = towers.clip.text_model.eval()
    ids = token_ids(texts, clip_words)
    hidden = torch.cat([model(input_ids=part).last_hidden_state.half() for part in ids.split(500)])
    # The first state belongs to the begin, which T5 has not.
    return functional.pad(hidden[:, 1:], (0, 0, 0, 1))


def train(folder: Path, minutes: float, steps: int = 6_000) -> None:
    words = build_tokenizer()
    model = build(words)
    run = Stage("t5", model, folder, steps, 3e-3, minutes, warmup=100, ema=0.995, weight_decay=0.0)
    run.run(_losses(model, folder, words))


def _losses(
    model: T5EncoderModel, folder: Path, words: T5Tokenizer
) -> Callable[[torch.Generator], Tensor]:
    texts = ["", *dict.fromkeys(captions_of(scenes()))]
    ids, mask = encoded(texts, words)
    wanted = told(folder, texts)

    def loss_of(generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(texts), (BATCH,), generator=generator)
        rows[0] = 0  # the empty caption is half of every guided step
        kept = mask[rows].bool()
        guess = model(input_ids=ids[rows], attention_mask=mask[rows]).last_hidden_state
        return functional.mse_loss(guess[kept], wanted[rows].float()[kept])

    return loss_of


def trained(folder: Path, words: T5Tokenizer) -> T5EncoderModel:
    """The averaged encoder of its stage."""
    model = build(words)
    model.load_state_dict(torch.load(folder / "t5.pt", weights_only=True)["average"])
    return model.eval()
