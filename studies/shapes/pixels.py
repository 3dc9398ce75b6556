"""The plain pixel check: do the colours of a picture agree with its caption?"""

import numpy as np
from drawing import Pixels, second_tone
from world import COLOURS, Scene

_BASE = np.array(list(COLOURS.values()), dtype=np.float32)
_PALETTE = np.concatenate([_BASE, np.stack([second_tone(colour) for colour in _BASE])])
_NAMES = tuple(COLOURS)
_RIM = 4  # pixels along the border: background in every drawing
_LEAST = 0.2  # share of the non-background pixels that each of two figures must have


def nearest(picture: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Number of the nearest named colour of each pixel, second tones included; (64, 64)."""
    apart = picture[..., None, :].astype(np.float32) - _PALETTE
    return (apart**2).sum(-1).argmin(-1) % len(_NAMES)  # type: ignore[no-any-return]


def agrees(picture: Pixels, scene: Scene) -> tuple[bool, bool]:
    """Whether the background's colour, and the colours of all figures, are those of the scene.

    Args:
        picture: (64, 64, 3) uint8.
        scene: What its caption names.
    """
    numbers = nearest(picture)
    rim = np.ones(numbers.shape, dtype=bool)
    rim[_RIM:-_RIM, _RIM:-_RIM] = False
    ground = _NAMES[np.bincount(numbers[rim], minlength=len(_NAMES)).argmax()]
    counts = np.bincount(numbers.ravel(), minlength=len(_NAMES)).astype(float)
    counts[_NAMES.index(scene.background)] = 0
    wanted = [_NAMES.index(figure.colour) for figure in scene.figures]
    largest = set(counts.argsort()[::-1][: len(wanted)].tolist())
    shares = counts / max(1.0, counts.sum())
    enough = all(shares[number] > _LEAST for number in wanted) and counts.sum() > 20
    return ground == scene.background, enough and largest == set(wanted)
