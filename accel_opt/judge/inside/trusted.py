"""Our side: a pipeline of our own, plain or under a setting, called as the program calls its."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accel_opt.judge.inside import talk


class Host:
    """One pipeline; its scheduler and setting change from program to program."""

    def __init__(self) -> None:
        self._pipe: Any = None
        self._own: dict[str, Any] = {}
        self._handle: Any = None
        self._call: dict[str, Any] = {}
        self._previous: list[Path] = []

    def load(self, request: dict[str, Any]) -> dict[str, Any]:
        """Loads the model."""
        from accel_opt.pipelines.load import load_pipeline

        self._pipe = load_pipeline(
            request["model"], device=request["device"], dtype=request["dtype"]
        )
        self._own = dict(self._pipe.scheduler.config)
        return {"pipeline": type(self._pipe).__name__}

    def set(self, request: dict[str, Any]) -> dict[str, Any]:
        """Takes a scheduler, a setting and the arguments of calls; {"refused": why} if not."""
        import diffusers

        from accel_opt.accelerators import stack
        from accel_opt.core.errors import InputError

        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        kind = getattr(diffusers, request["scheduler"], None)
        if kind is None or not hasattr(kind, "set_timesteps"):
            return {"refused": f"diffusers has no scheduler {request['scheduler']}"}
        self._call = request
        try:
            config = self._own | request["scheduler_config"]
            self._pipe.scheduler = kind.from_config(config)
            if request["accelerators"]:
                scale = request["arguments"].get("guidance_scale", 7.5)
                run = stack.run_info(self._pipe, request["steps"], scale)
                self._handle = stack.apply(self._pipe, request["accelerators"], run)
        except (InputError, TypeError, ValueError) as error:
            return {"refused": str(error)[:1000]}
        return {}

    def generate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Generates images in the program's chunks and leaves them as files."""
        from accel_opt.judge.inside import pictures, watch

        for path in self._previous:
            path.unlink(missing_ok=True)
        images: list[Any] = []
        call, start = self._call, 0
        for number, size in enumerate(request["chunks"]):
            part = request["prompts"][start : start + size]
            start += size
            arguments = dict(call["arguments"])
            for name, value in arguments.items():
                # A pair for SDXL's sizes, and one negative prompt for each prompt.
                arguments[name] = tuple(value) if isinstance(value, list) else value
            if isinstance(arguments.get("negative_prompt"), str):
                arguments["negative_prompt"] = [arguments["negative_prompt"]] * len(part)
            images += self._pipe(
                prompt=part,
                num_inference_steps=call["steps"],
                generator=watch.make(call["generator"], len(part), request["seed"] + number),
                output_type=call["output"],
                **arguments,
            ).images
        stem = request["stem"]
        count = pictures.save(pictures.arrays(images), Path.cwd(), stem)
        self._previous = [Path(f"{stem}-{number}.npy") for number in range(count)]
        return {"count": count}


def serve() -> None:
    """Answers the parent's requests."""
    host = Host()
    talk.serve({"load": host.load, "set": host.set, "generate": host.generate})
