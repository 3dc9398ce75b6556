"""A few images of a program beside the baseline's, for the page of results."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from accel_opt.core.files import file_name
from accel_opt.measure.images import Images


def keep(
    folder: Path, prompt_id: str, first: tuple[list[str], Images, Images], count: int
) -> list[Path]:
    """Writes `images/<prompt_id>/baseline-0.png`, `accelerated-0.png` and so on.

    Args:
        folder: Where the results lie.
        prompt_id: The task's.
        first: Prompts, the baseline's images and the program's.
        count: How many pairs.

    Returns:
        The files.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    prompts, baseline, accelerated = first
    # The report looks for ids as they are; others get a name that no path escapes from.
    name = prompt_id if re.fullmatch(r"[\w-]{1,64}", prompt_id) else file_name(prompt_id, 64)
    place = folder / "images" / name
    place.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        for old in place.glob("*.png"):
            old.unlink()
    made = []
    for number in range(min(count, len(prompts))):
        for kind, images in (("baseline", baseline), ("accelerated", accelerated)):
            words = PngInfo()
            words.add_itxt("prompt", prompts[number])
            path = place / f"{kind}-{number}.png"
            Image.fromarray(images[number]).save(path, pnginfo=words)
            made.append(path)
    return made
