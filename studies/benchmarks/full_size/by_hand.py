"""The packages as their own documentation has one use them, without this project."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from accel_opt.core.config import Config

# Settings for which a package alone does what our hooks do.
ALONE = ("deepcache", "tome", "tgate")


def can(config: Config, pipe: Any) -> bool:
    """Whether one package, used by hand, does the same as this setting."""
    # tomesd fails on PixArt's blocks; DeepCache needs a UNet, as `supports` says.
    knows = hasattr(pipe, "unet") or "tome" not in config
    return len(config) == 1 and set(config) <= set(ALONE) and knows


@contextmanager
def by_hand(pipe: Any, config: Config) -> Any:
    """The call that a person makes who uses the package; the pipeline is plain afterwards."""
    (name,) = config
    setup: dict[str, Callable[..., Any]] = {
        "deepcache": _deepcache,
        "tome": _tome,
        "tgate": _tgate,
    }
    call, undo = setup[name](pipe, dict(config[name]))
    try:
        yield call
    finally:
        undo()


def _deepcache(pipe: Any, params: dict[str, Any]) -> tuple[Any, Any]:
    from DeepCache import DeepCacheSDHelper

    helper = DeepCacheSDHelper(pipe=pipe)
    helper.set_params(**params)
    helper.enable()
    return pipe, helper.disable


def _tome(pipe: Any, params: dict[str, Any]) -> tuple[Any, Any]:
    import tomesd

    tomesd.apply_patch(pipe, **params)
    return pipe, lambda: tomesd.remove_patch(pipe)


def _tgate(pipe: Any, params: dict[str, Any]) -> tuple[Any, Any]:
    import functools

    import tgate

    loaders = {
        "StableDiffusionPipeline": tgate.TgateSDLoader,
        "StableDiffusionXLPipeline": tgate.TgateSDXLLoader,
        "PixArtAlphaPipeline": tgate.TgatePixArtAlphaLoader,
        "PixArtSigmaPipeline": tgate.TgatePixArtSigmaLoader,
    }
    loaded = loaders[type(pipe).__name__](pipe)
    options = {"warm_up" if name == "warmup" else name: value for name, value in params.items()}

    def undo() -> None:
        # The package has no way back: it leaves these two on every attention.
        denoiser = getattr(pipe, "unet", None) or pipe.transformer
        for module in denoiser.modules():
            if type(module).__name__ == "Attention":
                module.__dict__.pop("forward", None)
                module.__dict__.pop("cache", None)

    return functools.partial(loaded.tgate, **options), undo
