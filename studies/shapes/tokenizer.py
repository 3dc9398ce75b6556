"""A CLIPTokenizer whose every word of the world is one token.

Byte-pair merges are learnt from the world's words until each of them is whole; other words fall
into characters, so any text can be encoded.
"""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer
from world import COLOURS, PATTERNS, RELATIONS, SHAPES, SIZES

LENGTH = 24  # tokens, begin and end included; the longest caption takes 19
_END = "</w>"


def words() -> list[str]:
    """Every word that a caption can hold, sorted."""
    relations = {word for relation in RELATIONS for word in relation.split()}
    others = {"a", "an", "on", "background", "of"}
    return sorted({*SHAPES, *COLOURS, *SIZES, *PATTERNS, *relations, *others})


def _bytes() -> list[str]:
    """The 256 printable stand-ins that byte-level encoding uses, in its own order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    shifted = [chr(256 + index) for index in range(256 - len(plain))]
    return [chr(number) for number in plain] + shifted


def _merges() -> list[tuple[str, str]]:
    pieces = [[*word[:-1], word[-1] + _END] for word in words()]
    merges = []
    while True:
        counts = Counter(pair for word in pieces for pair in pairwise(word))
        if not counts:
            return merges
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        pieces = [_merged(word, best) for word in pieces]


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    index = 0
    while index < len(word):
        if tuple(word[index : index + 2]) == pair:
            out.append(word[index] + word[index + 1])
            index += 2
        else:
            out.append(word[index])
            index += 1
    return out


def build(folder: Path) -> CLIPTokenizer:
    """Writes vocab.json and merges.txt into the folder and loads the tokenizer from them."""
    merges = _merges()
    alphabet = _bytes()
    tokens = [*alphabet, *(token + _END for token in alphabet)]
    tokens += [first + second for first, second in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    lines = ["#version: 0.2", *(f"{first} {second}" for first, second in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    return CLIPTokenizer.from_pretrained(str(folder), model_max_length=LENGTH)
