"""The environment of a program: what it needs, nothing that opens a door."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from accel_opt.core.errors import InputError

# Holds accel_opt_channel.
INSIDE = Path(__file__).parent / "inside"

# An allow-list: a list of what looks like a secret would miss the next one.
_PASSED_ON = (
    "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
)  # fmt: skip
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|PRIVATE|_KEY$", re.IGNORECASE)


def scrubbed(
    folder: Path,
    *,
    own_view: bool,
    program: str,
    extra: Iterable[tuple[str, str]] = (),
    outer: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment of a program.

    Args:
        folder: Its own folder, which is its home.
        own_view: Whether it has a /tmp of its own; else it gets a folder in `folder`.
        program: What is started; its folder comes first in PATH.
        extra: Variables of the caller's.
        outer: Our environment, from which a few variables pass; None for the real one.

    Raises:
        InputError: A variable of the caller's is named like a secret.
    """
    outer = os.environ if outer is None else outer
    chosen = {name: outer[name] for name in _PASSED_ON if name in outer}
    chosen |= {
        "PATH": f"{Path(program).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": "/tmp" if own_view else str(folder / ".tmp"),  # noqa: S108 - a tmpfs of its own
        "USER": "sandbox",
        "LOGNAME": "sandbox",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    for name, value in extra:
        if _SECRET.search(name):
            raise InputError(f"{name} is named like a secret; a judged program gets none")
        chosen[name] = value
    searched = chosen.get("PYTHONPATH")
    chosen["PYTHONPATH"] = f"{INSIDE}:{searched}" if searched else str(INSIDE)
    return chosen
