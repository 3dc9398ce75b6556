"""Floor 3: the programs that are written from results."""

from accel_opt.codegen.generate import Style, generate_code
from accel_opt.codegen.options import ProgramOptions
from accel_opt.codegen.targets import (
    Program,
    difficulty_targets,
    program_file_name,
    programs_for,
)

__all__ = [
    "Program",
    "ProgramOptions",
    "Style",
    "difficulty_targets",
    "generate_code",
    "program_file_name",
    "programs_for",
]
