import subprocess
import sys

PROGRAM = """
import sys
from accel_opt.accelerators import registry, stack
from accel_opt.core.config import Config
from accel_opt.core.run import RunInfo
for name in registry.names():
    found = registry.get(name)
    assert found.params and found.reference and found.presets, name
    stack.canonical(Config({name: dict(found.presets[0].params)}), RunInfo(50))
heavy = {"torch", "diffusers", "transformers", "DeepCache", "tomesd", "tgate", "numpy"}
print(sorted(heavy & sys.modules.keys()))
"""


def test_names_ranges_and_normal_forms_need_no_torch():
    shown = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"
