"""What a person asks of a search: every option of the command line and of study.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from accel_opt.core.dims import Number
from accel_opt.core.errors import InputError, UnknownNameError
from accel_opt.core.secrets import without_password

Objective = Literal["speedup", "flops", "memory"]
Strategy = Literal[
    "auto", "gp", "optuna-gp", "tpe", "random", "enumerate", "traversal", "traversal-skip"
]
Weights = Literal["pretrained", "random"]
Range = tuple[Number, Number] | tuple[Number, Number, Number]

# Of a range's numbers: JSON's whole numbers have no end, floats have.
_GREATEST = 1e300
DEFAULT_ACCELERATORS = ("deepcache", "tome", "tgate")


class StudySpec(BaseModel):
    """One search, validated. Field names are the options with underscores.

    Attributes:
        model: Catalogue name, hub id or local folder.
        scheduler: Nickname or diffusers class name. Where none is given, a model outside the
            catalogue that was not trained on noise keeps its own.
        steps: Number of inference steps, at least 1.
        guidance_scale: None takes the model's own default.
        accelerators: Names searched together.
        require_all: Leave none of them off.
        ranges: Narrowed or widened ranges, `{accelerator: {parameter: (low, high[, step])}}`.
        max_score_loss: Greatest relative loss of CLIP score, in (0, 1).
        max_loss: Further limits by metric name.
        speedup: Required speedup (target mode); None searches the upper bound.
        latency: Required seconds per prompt (target mode).
        achieved_only: Store a required latency's result under its achieved speedup alone.
        prompts: Number of prompts of one evaluation.
        prompts_from: "embedded", "coco", a text or JSONL file, or a dataset id; None chooses.
        scorer: CLIP checkpoint (hub id or folder) behind the score; None takes the default one.
        batch_size: Prompts per pipeline call; None takes the model's own default.
        halve_batch: Generate a setting that runs out of memory in halves of the batch.
        trials: Evaluations in the study in total; None leaves the end to the other rules.
        timeout: Seconds of search, confirmation not counted.
        revision: Branch, tag or commit of the model on the hub.
        variant: Its files' variant, such as "fp16".
        cache_dir: Where hub files are kept; None honours `HF_HOME`.
        workers: Processes that search together.
        engine: Who places them: this host, or Ray across a cluster.
        ray_address: Address of a Ray cluster; None starts one here, "auto" finds it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: str = "shapes"
    scheduler: str = "DDIM"
    steps: Annotated[int, Field(ge=1, le=1000)] = 20
    guidance_scale: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None
    negative_prompt: str | None = None
    accelerators: tuple[str, ...] = DEFAULT_ACCELERATORS
    require_all: bool = False
    ranges: dict[str, dict[str, Range]] = Field(default_factory=dict)
    max_score_loss: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.02
    max_loss: dict[str, float] = Field(default_factory=dict)
    speedup: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    latency: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    achieved_only: bool = False
    frontier: bool = False
    objective: Objective = "speedup"
    prompts: Annotated[int, Field(ge=2)] | None = None
    prompts_from: str | None = None
    scorer: str | None = None
    batch_size: Annotated[int, Field(ge=1)] | None = None
    halve_batch: bool = False
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 42
    trials: Annotated[int, Field(ge=1)] | None = None
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    trial_timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    strategy: Strategy = "auto"
    study: str | None = None
    storage: Annotated[str | None, Field(repr=False)] = None
    out: Path | None = None
    device: str | None = None
    dtype: Literal["float32", "float16", "bfloat16"] | None = None
    resolution: Annotated[int, Field(ge=8)] | None = None
    weights: Weights = "pretrained"
    revision: str | None = None
    variant: str | None = None
    cache_dir: str | None = None
    confirm: bool = True
    references: bool = False
    allow_drift: bool = False
    workers: Annotated[int, Field(ge=1)] = 1
    engine: Literal["local", "ray"] = "local"
    ray_address: str | None = None

    @field_serializer("storage")
    def _storage_is_no_secret(self, value: str | None) -> str | None:
        # Studies, child processes' command lines and "go on with" lines all come from dumps.
        return None if value is None else without_password(value)

    @field_validator("accelerators", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        names = value.split(",") if isinstance(value, str) else value
        if not isinstance(names, list | tuple):
            return value
        cleaned = [name.strip() if isinstance(name, str) else name for name in names]
        if not cleaned or "" in cleaned:
            raise ValueError("name at least one accelerator, such as deepcache,tome")
        if not all(isinstance(name, str) for name in cleaned):
            return value
        if len(set(cleaned)) != len(cleaned):
            raise ValueError(f"{','.join(cleaned)} names an accelerator twice")
        return tuple(cleaned)

    @model_validator(mode="after")
    def _agree(self) -> StudySpec:
        if self.speedup is not None and self.latency is not None:
            raise ValueError("speedup and latency are two targets for one thing; give one of them")
        if self.frontier and (self.speedup is not None or self.latency is not None):
            raise ValueError("frontier spreads over all trade-offs; leave speedup and latency out")
        if self.speedup is not None and self.speedup <= 1:
            raise ValueError(f"speedup={self.speedup} asks for nothing; give a number above 1")
        for accelerator in self.ranges:
            if accelerator not in self.accelerators:
                raise ValueError(f"ranges name {accelerator!r}, which is not searched")
            for parameter, numbers in self.ranges[accelerator].items():
                if not all(abs(number) < _GREATEST for number in numbers):
                    raise ValueError(f"range of {accelerator}.{parameter} has no end")
        return self

    @property
    def targets(self) -> tuple[str, ...]:
        """The accelerators, sorted, as result keys hold them."""
        return tuple(sorted(self.accelerators))


def make_spec(**options: Any) -> StudySpec:
    """A validated spec.

    Raises:
        InputError: One line: the option, its value, what is allowed.
    """
    unknown = sorted(set(options) - set(StudySpec.model_fields))
    if unknown:
        if unknown[0] == "sampler":
            raise InputError("sampler is called scheduler here; give scheduler instead")
        raise UnknownNameError("option", unknown[0], StudySpec.model_fields)
    try:
        return StudySpec(**options)
    except ValidationError as error:
        raise InputError(_one_line(error, options)) from None


def read_toml(path: Path) -> dict[str, Any]:
    """Options of a study.toml; keys are checked by `make_spec`.

    Raises:
        InputError: No such file, or no TOML.
    """
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no file {path}; write one, or give options instead") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    except (ValueError, RecursionError) as error:
        # Also numbers of thousands of digits, and brackets within brackets within brackets.
        raise InputError(f"{path} is no TOML: {error}") from None


def _one_line(error: ValidationError, options: dict[str, Any]) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = str(first["msg"]).removeprefix("Value error, ")
    if not where:
        return message
    top = str(first["loc"][0])
    given = options.get(top, first.get("input"))
    return f"{top}={given!r}: {message[0].lower()}{message[1:]}"
