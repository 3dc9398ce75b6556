"""Floor 4: runs generated programs apart, compares them with the ground truth, gives verdicts.

```python
from pathlib import Path
from accel_opt.judge import Conditions, judge_programs

results = judge_programs(Path("anno_4_category.json"), Path("gen_4_category.json"),
                         Path("evaluation_results.json"), Conditions(prompts=32))
```

Names are resolved on first use, as the processes in the sandboxes import this package too.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accel_opt.judge.errors import ProgramError, Reason
    from accel_opt.judge.model import Conditions, Outcome, Task
    from accel_opt.judge.pairs import read_pairs
    from accel_opt.judge.run import describe_program, judge_programs

_HOMES = {
    "Conditions": "accel_opt.judge.model",
    "Outcome": "accel_opt.judge.model",
    "ProgramError": "accel_opt.judge.errors",
    "Reason": "accel_opt.judge.errors",
    "Task": "accel_opt.judge.model",
    "describe_program": "accel_opt.judge.run",
    "judge_programs": "accel_opt.judge.run",
    "read_pairs": "accel_opt.judge.pairs",
}

__all__ = [
    "Conditions",
    "Outcome",
    "ProgramError",
    "Reason",
    "Task",
    "describe_program",
    "judge_programs",
    "read_pairs",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'accel_opt.judge' has no attribute {name!r}")
