"""Floor 3: task texts, catalogues of them, annotation files, and comparing those."""

from accel_opt.tasks.annotations import (
    Annotations,
    annotate,
    annotations_of,
    annotations_text,
    derive_gen,
    out_of_reach,
    read_annotations,
)
from accel_opt.tasks.catalogue import CATEGORIES, baselines, catalogue, catalogue_entries
from accel_opt.tasks.compare import Comparison, Difference, compare
from accel_opt.tasks.lists import read_tasks, tasks_text, write_tasks
from accel_opt.tasks.task import OPEN, Task, render
from accel_opt.tasks.text import parse, recognise

__all__ = [
    "CATEGORIES",
    "OPEN",
    "Annotations",
    "Comparison",
    "Difference",
    "Task",
    "annotate",
    "annotations_of",
    "annotations_text",
    "baselines",
    "catalogue",
    "catalogue_entries",
    "compare",
    "derive_gen",
    "out_of_reach",
    "parse",
    "read_annotations",
    "read_tasks",
    "recognise",
    "render",
    "tasks_text",
    "write_tasks",
]
