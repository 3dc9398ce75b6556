"""Pictures of scenes: 64x64 RGB, anti-aliased, drawn with PIL at four times the size."""

import math
import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from world import COLOURS, Figure, Scene

SIZE = 64  # pixels
_SCALE = 4
_FULL = SIZE * _SCALE
_ROWS, _COLUMNS = np.mgrid[0:_FULL, 0:_FULL].astype(np.float32) / _SCALE

Pixels = NDArray[np.uint8]
Mask = NDArray[np.float32]


def draw(scene: Scene, rng: random.Random) -> Pixels:
    """One picture of the scene, (64, 64, 3) uint8; what the caption leaves open is random."""
    base = np.array(COLOURS[scene.background], dtype=np.float32)
    picture = np.broadcast_to(base, (SIZE, SIZE, 3)).copy()
    if scene.background_pattern:
        holes = _reduce(_holes(scene.background_pattern, 12.0, rng))[..., None]
        picture = picture * (1 - holes) + second_tone(base) * holes
    for figure, centre, radius in _places(scene, rng):
        cover = _reduce(_cover(figure, centre, radius, rng))[..., None]
        colour = np.array(COLOURS[figure.colour], dtype=np.float32)
        picture = picture * (1 - cover) + colour * cover
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def second_tone(colour: NDArray[np.float32]) -> NDArray[np.float32]:
    """The other tone of a patterned background: near enough to carry the same name."""
    if colour.sum() < 100:
        return colour + 70
    return colour * 0.76


def _places(scene: Scene, rng: random.Random) -> list[tuple[Figure, tuple[float, float], float]]:
    """Each figure with its centre (x, y) and radius, in pixels."""
    if scene.relation is None:
        figure = scene.figures[0]
        radius = rng.uniform(18, 22) if figure.size == "large" else rng.uniform(9, 11.5)
        room = SIZE / 2 - radius - 4
        centre = (SIZE / 2 + rng.uniform(-room, room), SIZE / 2 + rng.uniform(-room, room))
        return [(figure, centre, radius)]
    first, second = scene.figures
    if scene.relation in ("right of", "below"):
        first, second = second, first
    along = (17 + rng.uniform(-2, 2), 47 + rng.uniform(-2, 2))
    across = SIZE / 2 + rng.uniform(-9, 9)
    places = []
    for figure, position in zip((first, second), along, strict=True):
        shifted = across + rng.uniform(-3, 3)
        upright = scene.relation in ("above", "below")
        centre = (shifted, position) if upright else (position, shifted)
        places.append((figure, centre, rng.uniform(10.5, 13)))
    return places


def _cover(figure: Figure, centre: tuple[float, float], radius: float, rng: random.Random) -> Mask:
    """Opacity of a figure at four times the size, (256, 256) in 0..1; a rim outlines patterns."""
    tilt = math.radians(rng.uniform(-9, 9))
    image = Image.new("L", (_FULL, _FULL))
    pen = ImageDraw.Draw(image)
    x, y = centre[0] * _SCALE, centre[1] * _SCALE
    big = radius * _SCALE

    def polygon(points: list[tuple[float, float]]) -> None:
        cos, sin = math.cos(tilt), math.sin(tilt)
        pen.polygon(
            [
                (x + big * (px * cos - py * sin), y + big * (px * sin + py * cos))
                for px, py in points
            ],
            fill=255,
        )

    if figure.shape in ("circle", "ring"):
        pen.ellipse((x - big, y - big, x + big, y + big), fill=255)
        if figure.shape == "ring":
            hole = big * 0.48
            pen.ellipse((x - hole, y - hole, x + hole, y + hole), fill=0)
    else:
        polygon(_OUTLINES[figure.shape])
    mask = np.asarray(image, dtype=np.float32) / 255
    if figure.pattern is None:
        return mask
    rim = 1.6 if radius < 15 else 2.2
    inner = image.filter(ImageFilter.MinFilter(2 * round(rim * _SCALE / 2) + 1))
    inside = np.asarray(inner, dtype=np.float32) / 255
    period = 8.0 if radius < 15 else 10.0
    return mask - inside * _holes(figure.pattern, period, rng)


def _holes(pattern: str, period: float, rng: random.Random) -> Mask:
    """Where a pattern leaves its ground open, (256, 256) of 0 and 1; `period` in pixels."""
    x = _COLUMNS + rng.uniform(0, period)
    y = _ROWS + rng.uniform(0, period)
    if pattern == "striped":
        holes = ((x + y) / math.sqrt(2)) % period < period / 2
    elif pattern == "checked":
        holes = (x % period < period / 2) ^ (y % period < period / 2)
    else:
        dx, dy = x % period - period / 2, y % period - period / 2
        holes = dx * dx + dy * dy < (period * 0.32) ** 2
    return holes.astype(np.float32)


def _reduce(mask: Mask) -> Mask:
    """Mean over 4x4 blocks: (256, 256) to (64, 64)."""
    return mask.reshape(SIZE, _SCALE, SIZE, _SCALE).mean(axis=(1, 3))


def _heart() -> list[tuple[float, float]]:
    points = []
    for index in range(60):
        t = 2 * math.pi * index / 60
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((x / 16.5, -(y + 2.5) / 16.5))
    return points


def _star() -> list[tuple[float, float]]:
    points = []
    for index in range(10):
        length = 1.08 if index % 2 == 0 else 0.46
        angle = math.pi * (index / 5 - 0.5)
        points.append((length * math.cos(angle), length * math.sin(angle)))
    return points


_A, _B = 0.34, 0.98
_OUTLINES: dict[str, list[tuple[float, float]]] = {
    "square": [(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)],
    "triangle": [(0.0, -1.0), (1.0, 0.8), (-1.0, 0.8)],
    "diamond": [(0.0, -1.1), (0.72, 0.0), (0.0, 1.1), (-0.72, 0.0)],
    "cross": [
        (-_A, -_B), (_A, -_B), (_A, -_A), (_B, -_A), (_B, _A), (_A, _A),
        (_A, _B), (-_A, _B), (-_A, _A), (-_B, _A), (-_B, -_A), (-_A, -_A),
    ],
    "star": _star(),
    "heart": _heart(),
}  # fmt: skip
