"""Pictures to judge the judge by: drawn from a seed, dark ones among them, and bad ones."""

import numpy as np

SIZE = 64


def scene(rng, size=SIZE):
    """A picture (size, size, 3): sky and ground or a gradient, things in front, some grain."""
    rows, columns = np.mgrid[0:size, 0:size] / (size - 1)
    top, bottom, side = rng.uniform(0, 255, (3, 3))
    ramp = rows[..., None]
    if rng.random() < 0.3:
        ramp = (ramp > rng.uniform(0.3, 0.7)).astype(float)
    image = top * (1 - ramp) + bottom * ramp + side * columns[..., None] * rng.uniform(0, 0.4)
    for _ in range(rng.integers(1, 5)):
        y, x = rng.uniform(0.1, 0.9, 2)
        height, width = rng.uniform(0.05, 0.3, 2)
        if rng.random() < 0.5:
            inside = ((rows - y) / height) ** 2 + ((columns - x) / width) ** 2 < 1
        else:
            inside = (abs(rows - y) < height) & (abs(columns - x) < width)
        image[inside] = rng.uniform(0, 255, 3)
    return image + rng.normal(0, rng.uniform(0, 4), image.shape)


def to_8_bit(image):
    return np.clip(image, 0, 255).astype("uint8")


def good(n, seed=0):
    """Varied pictures, a third of them dark: dimmed, or night with lights."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        image = scene(rng)
        if i % 3 == 1:
            image = image * rng.uniform(0.06, 0.2)
        if i % 6 == 5:
            image = night(rng)
        made.append(to_8_bit(image))
    return np.stack(made)


def night(rng, size=SIZE):
    """Near black, a horizon a few values brighter, a moon or windows."""
    rows, columns = np.mgrid[0:size, 0:size] / (size - 1)
    image = np.full((size, size, 3), rng.uniform(1, 8)) + rng.normal(0, 1, (size, size, 3))
    image += rng.uniform(3, 12) * (rows[..., None] > rng.uniform(0.5, 0.8))
    y, x = rng.uniform(0.2, 0.8, 2)
    radius = rng.uniform(0.03, 0.1)
    image[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = rng.uniform(60, 255)
    return image


def bad():
    """Pictures that no score may judge, by name."""
    rng = np.random.default_rng(1)
    black = np.zeros((SIZE, SIZE, 3))
    almost = black + rng.normal(0, 1, black.shape)
    row, column = black + 90, black + 20
    row[40] = rng.uniform(0, 255, (SIZE, 3))
    column[:, 3] = 255
    return {
        "black": to_8_bit(black),
        "almost black": to_8_bit(almost),
        "white": to_8_bit(black + 255),
        "grey": to_8_bit(black + 128),
        "grey with grain": to_8_bit(almost + 128),
        "red": to_8_bit(black + np.array([255, 0, 0])),
        "one row": to_8_bit(row),
        "one column": to_8_bit(column),
        "noise": rng.integers(0, 256, black.shape).astype("uint8"),
        "faint noise": to_8_bit(rng.normal(120, 12, black.shape)),
        "grey noise": to_8_bit(black + rng.normal(120, 60, (SIZE, SIZE, 1))),
    }
