"""What a program's process says of its pipeline: checked in form, believed in nothing."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from accel_opt.judge.errors import ProgramError, Reason

_Name = Annotated[str, Field(pattern=r"^[A-Za-z_]\w{0,99}$")]
_Text = Annotated[str, Field(max_length=1000)]
_Scalar = bool | int | float | str | None
_Plain = _Scalar | list[_Scalar] | list[list[_Scalar]]
_Side = Annotated[int, Field(ge=1, le=4096)]


class Claim(BaseModel):
    """A pipeline as its process describes it after one call.

    Attributes:
        pipeline: Class name.
        model: Hub id, folder or "" where the pipeline was put together by hand.
        scheduler: Class name.
        scheduler_config: The scheduler's plain settings.
        steps: `scheduler.num_inference_steps` after the call.
        accelerators: Parameters by accelerator at work.
        arguments: Further arguments of the call.
        size: Height and width that were asked for.
        chunks: Prompts of each call that answered the batch.
        generator: Kind of random generator; see `inside.watch`.
        output: "pil", "np" or "pt".
        device: "cpu", "cuda:0", ...
        dtype: The denoiser's precision.
        inference: Whether the program has an `inference(pipe, prompts)`.
        excuses: What cannot be repeated in our own code, in words.
        found_in: Where the pipeline was found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    pipeline: _Name
    model: _Text
    scheduler: _Name
    scheduler_config: dict[_Name, _Plain]
    steps: Annotated[int, Field(ge=1, le=10_000)]
    accelerators: dict[_Name, dict[_Name, int | float]]
    arguments: dict[_Name, _Plain]
    size: Annotated[list[_Side], Field(min_length=2, max_length=2)]
    chunks: Annotated[list[Annotated[int, Field(ge=1, le=1024)]], Field(max_length=1024)]
    generator: Annotated[str, Field(pattern=r"^(none|(each:)?(cpu|cuda(:\d{1,2})?|mps(:0)?))$")]
    output: Annotated[str, Field(pattern=r"^(pil|np|pt)$")]
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d{1,2})?|mps(:0)?)$")]
    dtype: Annotated[str, Field(pattern=r"^(float32|float16|bfloat16)$")]
    inference: bool
    excuses: Annotated[list[_Text], Field(max_length=20)]
    found_in: Annotated[str, Field(max_length=40)]


def read_claim(said: dict[str, Any]) -> Claim:
    """The claim in an answer.

    Raises:
        ProgramError: It is none; the process does not follow our own code.
    """
    try:
        return Claim.model_validate({k: v for k, v in said.items() if k != "id"})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProgramError(
            Reason.EVALUATION_ERROR, f"what it says of its pipeline: {where}: {first['msg']}"
        ) from None
