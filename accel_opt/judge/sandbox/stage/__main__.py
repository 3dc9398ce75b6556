"""Entry of the stage: `python -I -S .../stage/__main__.py supervise|lockdown FD...`."""

from __future__ import annotations

import os
import sys
import types


def _bare_packages() -> None:
    # The packages above are stood in for by empty ones, so that none of their own imports
    # (pydantic, torch) runs here.
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib is slow
    for name in ("accel_opt.judge.sandbox.stage", "accel_opt.judge.sandbox", "accel_opt.judge"):
        package = types.ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package
        folder = os.path.dirname(folder)  # noqa: PTH120
    sys.modules["accel_opt"] = types.ModuleType("accel_opt")
    sys.modules["accel_opt"].__path__ = [folder]


def main() -> None:
    """Runs the half of the stage that the first argument names."""
    _bare_packages()
    if sys.argv[1] == "supervise":
        from accel_opt.judge.sandbox.stage.supervisor import supervise

        supervise(*(int(fd) for fd in sys.argv[2:]))
    else:
        from accel_opt.judge.sandbox.stage.lockdown import lockdown_from

        lockdown_from(int(sys.argv[2]))


main()
