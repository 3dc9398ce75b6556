"""A heavy package that does not load, told as what to type."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from accel_opt.core.errors import InputError

TORCHVISION_BROKEN = (
    "torchvision is installed but does not load beside this torch, and diffusers and transformers "
    "fail with it. Type: pip uninstall torchvision   (or install the build that matches your "
    "torch; `accel-opt doctor` tells which packages are sound)"
)


@contextmanager
def imports_explained() -> Iterator[None]:
    """Runs a block that imports torch's relatives; known breakages become one line.

    Raises:
        InputError: torchvision's compiled operators do not fit this torch.
    """
    try:
        yield
    except (ImportError, RuntimeError) as error:
        # Lazy importers wrap the cause twice, so the whole chain is read.
        if any("torchvision::" in str(link) for link in causes(error)):
            raise InputError(TORCHVISION_BROKEN) from error
        raise


def causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and all that led to it, latest first."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
