"""Entry: `python -P -m accel_opt.judge.inside guest|trusted`."""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> None:
    """Answers requests until the parent closes the channel."""
    import_module(f"accel_opt.judge.inside.{sys.argv[1]}").serve()


main()
