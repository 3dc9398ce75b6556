"""Small tokenizers, built in memory, of the lengths that full-size text encoders expect.

What a text is split into changes neither shapes nor times: every prompt is padded to `length`.
"""

from __future__ import annotations

import string
from typing import Any


def clip_tokenizer(length: int = 77) -> Any:
    """A CLIP tokenizer that spells: every letter is a token.

    Args:
        length: Tokens that a prompt is padded or cut to.
    """
    from transformers import CLIPTokenizer

    letters = [*string.ascii_lowercase, *string.digits, *",.-'"]
    # The end comes last: text encoders find it as the greatest id.
    tokens = [
        *letters,
        *(f"{letter}</w>" for letter in letters),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    return CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)},
        merges=[],
        model_max_length=length,
    )


def t5_tokenizer(length: int = 120) -> Any:
    """A T5 tokenizer that spells.

    Args:
        length: Tokens that a prompt is padded or cut to.
    """
    from transformers import T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -5.0), ("\u2581", -3.0)]
    letters = string.ascii_letters + string.digits + ",.-'"
    return T5Tokenizer(
        vocab=[*pieces, *((letter, -4.0) for letter in letters)],
        extra_ids=0,
        model_max_length=length,
    )
