"""Makes the study's modules (grammar, drawing, pixel check) importable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "studies" / "shapes"))
