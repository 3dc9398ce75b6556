"""Writes the package's list of captions: 320 held-out ones, then 192 of the training scenes."""

from pathlib import Path

from world import Scene, caption, draw_scenes

FILE = Path(__file__).parents[2] / "accel_opt" / "shapes" / "captions.txt"


def _distinct(scenes: list[Scene], count: int) -> list[str]:
    return list(dict.fromkeys(caption(scene) for scene in scenes))[:count]


if __name__ == "__main__":
    held_out = _distinct(draw_scenes(600, 2024, trained=False), 320)
    trained = _distinct(draw_scenes(600, 7), 192)  # the seed of the training scenes
    FILE.write_text("\n".join([*held_out, *trained]) + "\n", encoding="utf-8")
