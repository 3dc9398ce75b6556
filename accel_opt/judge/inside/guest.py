"""The program's side: nothing that leaves here is believed, as the program can change all of it."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path
from typing import Any

from accel_opt.judge.inside import finding, talk


class Guest:
    """A program with its pipeline."""

    def __init__(self) -> None:
        self._module: Any = None
        self._pipe: Any = None
        self._watch: Any = None
        self._steps = 50
        self._previous = ("", 0)

    def open(self, request: dict[str, Any]) -> dict[str, Any]:
        """Loads the program, calls its pipeline once, and tells what it then is."""
        from accel_opt.judge.inside.watch import EnoughError, Watch

        self._module = finding.load(Path(request["path"]))
        self._pipe, found_in = finding.find(self._module)
        self._steps = finding.steps_in_source(self._module)
        self._watch = Watch(self._pipe)
        self._watch.stop_early = request["early"]
        self._watch.begin(request["seed"])
        images: Any = None
        with contextlib.suppress(EnoughError):
            images = self._infer(request["prompts"])
        return {**self._described(images), "found_in": found_in}

    def generate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Generates images and leaves them as files."""
        from accel_opt.judge.inside import pictures

        stem, count = self._previous
        for number in range(count):
            Path(f"{stem}-{number}.npy").unlink(missing_ok=True)
        self._watch.begin(request["seed"])
        images = self._infer(request["prompts"])
        count = pictures.save(pictures.arrays(images), Path.cwd(), request["stem"])
        self._previous = (request["stem"], count)
        return {"count": count}

    def _infer(self, prompts: list[str]) -> Any:
        inference = getattr(self._module, "inference", None)
        if callable(inference):
            return inference(self._pipe, prompts)
        return self._pipe(prompts, num_inference_steps=self._steps).images

    def _described(self, images: Any) -> dict[str, Any]:
        from accel_opt.accelerators.detect import Call
        from accel_opt.accelerators.model import denoiser_of
        from accel_opt.judge.inside import describe, pictures

        pipe, watch = self._pipe, self._watch
        call = watch.calls[-1] if watch.calls else Call()
        found, excuses = describe.accelerators(pipe, call)
        arguments, more = describe.arguments(pipe, call)
        excuses += more + describe.foreign(pipe)
        if not watch.calls:
            excuses.append("inference() does not call the pipeline that it is given")
        watch.on_latents = partial(_steady, pipe, tuple(found))
        return {
            "pipeline": type(pipe).__name__,
            "model": str(getattr(pipe, "name_or_path", None) or ""),
            "scheduler": type(pipe.scheduler).__name__,
            "scheduler_config": describe.scheduler_config(pipe),
            "steps": describe.steps_of(pipe, call),
            "accelerators": found,
            "arguments": arguments,
            "size": describe.size(pipe, call),
            "chunks": list(watch.sizes),
            "generator": watch.generator,
            "output": pictures.PIL if images is None else pictures.kind_of(images),
            "device": str(getattr(pipe, "_execution_device", pipe.device)),
            "dtype": str(denoiser_of(pipe).dtype).removeprefix("torch."),
            "inference": callable(getattr(self._module, "inference", None)),
            "excuses": [excuse[:300] for excuse in excuses[:10]],
        }


def _steady(pipe: Any, names: tuple[str, ...]) -> None:
    from accel_opt.accelerators import registry

    for name in names:
        registry.get(name).steady(pipe)


def serve() -> None:
    """Answers the parent's requests."""
    guest = Guest()
    talk.serve({"open": guest.open, "generate": guest.generate})
