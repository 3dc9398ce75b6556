"""The command line that asks for a search again."""

from __future__ import annotations

import shlex

from accel_opt.core.spec import StudySpec


def resume_command(spec: StudySpec) -> str:
    """The command line that asks for the same again."""
    words = ["accel-opt", "search"]
    given = spec.model_dump(exclude_defaults=True, mode="json")
    for name, value in given.items():
        if value is None:
            # A field with a serializer of its own is dumped though it has its default.
            continue
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(option if value else f"--no-{name.replace('_', '-')}")
        elif name == "ranges":
            for accelerator, parameters in value.items():
                for parameter, numbers in parameters.items():
                    text = ":".join(f"{number:g}" for number in numbers)
                    words += ["--range", f"{accelerator}.{parameter}={text}"]
        elif name == "max_loss":
            for metric, limit in value.items():
                words += ["--max-loss", f"{metric}={limit:g}"]
        elif isinstance(value, list):
            words += [option, ",".join(map(str, value))]
        else:
            words += [option, str(value)]
    return shlex.join(words)
