"""The world of the embedded models: scenes of coloured shapes and the captions that name them.

A scene is one figure, or two figures in a relation, on a background. Figures and backgrounds may
carry a pattern. `caption` and `parse` are inverse to each other, so a caption says everything that
is fixed about its pictures; position, exact size, tilt and the phase of patterns are left open.
"""

import hashlib
import random
from dataclasses import dataclass, replace

SHAPES = ("circle", "square", "triangle", "ring", "star", "cross", "diamond", "heart")
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (215, 25, 35),
    "green": (30, 150, 60),
    "blue": (35, 70, 215),
    "yellow": (250, 225, 40),
    "purple": (140, 45, 170),
    "orange": (250, 140, 20),
    "white": (250, 250, 250),
    "black": (12, 12, 12),
}
SIZES = ("small", "large")
PATTERNS = ("striped", "dotted", "checked")
RELATIONS = ("left of", "right of", "above", "below")
HELD_OUT_SHARE = 8  # one caption in so many is never trained on


@dataclass(frozen=True)
class Figure:
    """One shape; `size` is None in scenes of two figures, whose sizes are alike."""

    shape: str
    colour: str
    size: str | None = None
    pattern: str | None = None


@dataclass(frozen=True)
class Scene:
    """One figure (`relation` None), or two, the first of which stands so to the second."""

    figures: tuple[Figure, ...]
    background: str
    background_pattern: str | None = None
    relation: str | None = None


def _noun(*words: str | None) -> str:
    text = " ".join(word for word in words if word)
    return ("an " if text[0] in "aeiou" else "a ") + text


def caption(scene: Scene) -> str:
    """The one caption of a scene, e.g. `a large red ring on a blue background`."""
    figures = [_noun(f.size, f.pattern, f.colour, f.shape) for f in scene.figures]
    ground = _noun(scene.background_pattern, scene.background, "background")
    return f"{f' {scene.relation} '.join(figures)} on {ground}"


def parse(text: str) -> Scene:
    """The scene that a caption names.

    Raises:
        ValueError: a word stands where the grammar has no place for it.
    """
    head, _, ground = text.rpartition(" on ")
    relation = next((r for r in RELATIONS if f" {r} " in head), None)
    parts = head.split(f" {relation} ") if relation else [head]
    figures = tuple(_parse_figure(part) for part in parts)
    words = [word for word in ground.split() if word not in ("a", "an", "background")]
    scene = Scene(figures, words[-1], words[0] if len(words) == 2 else None, relation)
    if caption(scene) != text:
        raise ValueError(f"no caption of this world: {text!r}; one is {caption(EXAMPLE)!r}")
    return scene


def _parse_figure(text: str) -> Figure:
    words = text.split()[1:]
    size = next((word for word in words if word in SIZES), None)
    pattern = next((word for word in words if word in PATTERNS), None)
    return Figure(words[-1], words[-2], size, pattern)


EXAMPLE = Scene((Figure("ring", "red", "large"),), "blue")


def sample(rng: random.Random) -> Scene:
    """A random scene: three in five hold one figure; all colours in a scene differ."""
    pair = rng.random() < 0.4
    colours = rng.sample(tuple(COLOURS), 3)
    figures = tuple(
        Figure(
            rng.choice(SHAPES),
            colours[index],
            None if pair else rng.choice(SIZES),
            rng.choice(PATTERNS) if rng.random() < (0.25 if pair else 0.35) else None,
        )
        for index in range(2 if pair else 1)
    )
    ground = rng.choice(PATTERNS) if rng.random() < 0.2 else None
    return Scene(figures, colours[2], ground, rng.choice(RELATIONS) if pair else None)


def mutate(scene: Scene, rng: random.Random) -> Scene:
    """The scene with exactly one attribute changed: a hard negative for the scorer."""
    kinds = ["shape", "colour", "pattern", "background", "ground"]
    kinds.append("relation" if scene.relation else "size")
    kind = rng.choice(kinds)
    used = {figure.colour for figure in scene.figures} | {scene.background}
    free = tuple(colour for colour in COLOURS if colour not in used)
    if kind == "background":
        return replace(scene, background=rng.choice(free))
    if kind == "ground":
        return replace(scene, background_pattern=_other(PATTERNS, scene.background_pattern, rng))
    if kind == "relation":
        others = tuple(relation for relation in RELATIONS if relation != scene.relation)
        return replace(scene, relation=rng.choice(others))
    index = rng.randrange(len(scene.figures))
    figure = scene.figures[index]
    if kind == "shape":
        figure = replace(figure, shape=rng.choice([s for s in SHAPES if s != figure.shape]))
    elif kind == "colour":
        figure = replace(figure, colour=rng.choice(free))
    elif kind == "size":
        figure = replace(figure, size=SIZES[figure.size == SIZES[0]])
    else:
        figure = replace(figure, pattern=_other(PATTERNS, figure.pattern, rng))
    figures = (*scene.figures[:index], figure, *scene.figures[index + 1 :])
    return replace(scene, figures=figures)


def _other(values: tuple[str, ...], current: str | None, rng: random.Random) -> str | None:
    """Another value; None stands for a plain surface and is as likely as all patterns together."""
    if current is not None and rng.random() < 0.5:
        return None
    return rng.choice([value for value in values if value != current])


def held_out(text: str) -> bool:
    """Whether a caption is kept out of all training; a hash decides, so every script agrees."""
    return hashlib.sha256(text.encode()).digest()[0] % HELD_OUT_SHARE == 0


def attributes(scene: Scene) -> list[int]:
    """Class numbers of what a picture of the scene shows, one per entry of `ATTRIBUTE_SIZES`.

    Two captions of the same picture ("A left of B", "B right of A") have equal attributes: the
    left or upper figure comes first.
    """
    figures = list(scene.figures)
    if scene.relation in ("right of", "below"):
        figures.reverse()
    axis = 0 if scene.relation is None else 1 + (scene.relation in ("above", "below"))
    numbers = [axis, 1 + SIZES.index(figures[0].size) if figures[0].size else 0]
    for figure in (*figures, None)[:2]:
        numbers.append(1 + SHAPES.index(figure.shape) if figure else 0)
        numbers.append(1 + tuple(COLOURS).index(figure.colour) if figure else 0)
        numbers.append(_pattern_number(figure.pattern) if figure else 0)
    numbers.append(tuple(COLOURS).index(scene.background))
    numbers.append(_pattern_number(scene.background_pattern))
    return numbers


def _pattern_number(pattern: str | None) -> int:
    return 1 + PATTERNS.index(pattern) if pattern else 0


_FIGURE_SIZES = (1 + len(SHAPES), 1 + len(COLOURS), 1 + len(PATTERNS))
ATTRIBUTE_SIZES = (3, 3, *_FIGURE_SIZES, *_FIGURE_SIZES, len(COLOURS), 1 + len(PATTERNS))


def draw_scenes(count: int, seed: int, *, trained: bool = True) -> list[Scene]:
    """`count` random scenes whose captions are all trained on, or all held out."""
    rng = random.Random(seed)
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = sample(rng)
        if held_out(caption(scene)) != trained:
            scenes.append(scene)
    return scenes
