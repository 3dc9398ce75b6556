"""Which images of a setting are kept: the first ones, and the one that lost most."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from accel_opt.core.measurement import Batch
from accel_opt.measure.images import Images

FIRST = 2


class Gallery:
    """A folder of sample images, each with its prompt inside the file.

    Args:
        folder: Where they go; None keeps none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._most: dict[str, float] = {}

    def keep(
        self,
        stem: str,
        batch: Batch,
        prompts: tuple[str, ...],
        images: tuple[Images, Images],
        losses: list[float],
    ) -> dict[str, str]:
        """Keeps images of a batch beside the baseline's.

        Args:
            stem: Name of the setting.
            batch: Where they come from.
            prompts: The batch's N prompts.
            images: The baseline's and the setting's, each `(N, H, W, 3)`.
            losses: What each of the N lost; empty when nothing was scored.

        Returns:
            Paths by name: "baseline-0" and "accelerated-0" for the first, "...-worst" for the
            one that lost most so far.
        """
        if self._folder is None:
            return {}
        wanted = {str(i): i for i in range(min(FIRST, len(prompts)))} if batch.index == 0 else {}
        worst = max(range(len(losses)), key=losses.__getitem__, default=None)
        known = f"{batch.phase}-{stem}"
        if batch.index == 0:
            self._most[known] = -math.inf
        if worst is not None and losses[worst] > self._most.get(known, -math.inf):
            self._most[known] = losses[worst]
            wanted["worst"] = worst
        kept = {}
        for name, i in wanted.items():
            for kind, who, part in zip(
                ("baseline", "accelerated"), ("baseline", stem), images, strict=True
            ):
                file = f"{batch.phase}-{who}-{batch.item_ids[i]}.png"
                kept[f"{kind}-{name}"] = self._save(file, part[i], prompts[i], anew=who == stem)
        return kept

    def _save(self, file: str, image: Any, prompt: str, *, anew: bool) -> str:
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        path = Path(self._folder or ".") / file
        if anew or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            words = PngInfo()
            words.add_itxt("prompt", prompt)
            Image.fromarray(image).save(path, pnginfo=words)
        return str(path)
