"""An accelerated pipeline: called like the pipeline, removed like a hook."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, NoReturn, Self

from accel_opt.accelerators.guard import RestoringGuard
from accel_opt.accelerators.live_run import LiveRun
from accel_opt.accelerators.model import HANDLE, hooks_refusal
from accel_opt.core.config import Config
from accel_opt.core.errors import RefusedError


class Handle:
    """Accelerators that are on; `pipe(...)` and `handle(...)` do the same.

    Attributes:
        pipe: The pipeline.
        config: What is on.
        run: The pipeline's current run.
        active: Whether it is still on.
    """

    def __init__(self, pipe: Any, config: Config, run: LiveRun, guard: RestoringGuard) -> None:
        self.pipe = pipe
        self.config = config
        self.run = run
        self.active = True
        self._guard = guard

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the pipeline.

        Raises:
            RefusedError: The accelerators were removed: the caller would time the plain pipeline.
        """
        if not self.active:
            raise RefusedError(
                f"{self.config} was removed from this pipeline; call the pipeline itself, "
                "or apply the setting again"
            )
        return self.pipe(*args, **kwargs)

    def remove(self) -> None:
        """Puts the pipeline back as it was; does nothing the second time."""
        if self.active:
            self.active = False
            self._guard.restore()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()

    def __reduce__(self) -> NoReturn:
        """Copying is refused: the copy's hooks would run the original's weights.

        Raises:
            RefusedError: Always; the denoiser carries its handle, so this stops its copies.
        """
        raise RefusedError(
            f"a pipeline that runs {self.config} cannot be copied: its hooks belong to "
            "the original's weights; remove() them, copy, and apply again"
        )

    def __repr__(self) -> str:
        return f"<Handle {self.config} {'on' if self.active else 'removed'}>"


def install(
    pipe: Any,
    config: Config,
    appliers: Iterable[Callable[[LiveRun], object]],
    barriers: Iterable[int] = (),
) -> Handle:
    """Runs `appliers` in order under a guard; undoes everything when one of them fails.

    Args:
        pipe: A diffusers pipeline.
        config: What the appliers put on, for messages.
        appliers: Each puts one accelerator's hooks on, innermost first.
        barriers: Calls at which every cache across steps must be filled anew.

    Raises:
        RefusedError: The pipeline's denoiser is accelerated already, or set up so that hooks
            cannot stand on it.
    """
    run = LiveRun(pipe, barriers)
    standing = vars(run.denoiser).get(HANDLE)
    if standing is not None:
        raise RefusedError(
            f"this pipeline already runs {standing.config}; remove() that first, or give all "
            "accelerators in one config"
        )
    refusal = hooks_refusal(pipe)
    if refusal:
        raise RefusedError(refusal.reason)
    guard = RestoringGuard(pipe)
    try:
        for apply in appliers:
            apply(run)
        if len(run.active) < len(config):
            # Who puts hooks on without `run.put` has not said that they keep halves apart.
            run.mixing.append("an accelerator with an `apply` of its own")
        run.start()
    except BaseException:
        guard.applied()
        guard.restore()
        raise
    guard.applied()
    handle = Handle(pipe, config, run, guard)
    # The denoiser carries the mark: two pipelines may share it. `restore` takes it away.
    vars(run.denoiser)[HANDLE] = handle
    return handle
