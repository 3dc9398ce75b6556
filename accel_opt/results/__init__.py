"""Floor 2: search_params.json, the file in which results are kept and handed on."""

from accel_opt.results.entry import Entry
from accel_opt.results.file import ParamsFile, read, set_aside
from accel_opt.results.key import UPPER_BOUND, EntryKey, parse_key
from accel_opt.results.lookup import (
    Found,
    MissingEntryError,
    lookup,
    search_command,
)
from accel_opt.results.merge import MergeReport, merge, primary_entries
from accel_opt.results.missing import GRID_TARGETS, Gap, Wanted, grid, missing
from accel_opt.results.names import canonical_config
from accel_opt.results.summary import Summary, summarise

__all__ = [
    "GRID_TARGETS",
    "UPPER_BOUND",
    "Entry",
    "EntryKey",
    "Found",
    "Gap",
    "MergeReport",
    "MissingEntryError",
    "ParamsFile",
    "Summary",
    "Wanted",
    "canonical_config",
    "grid",
    "lookup",
    "merge",
    "missing",
    "parse_key",
    "primary_entries",
    "read",
    "search_command",
    "set_aside",
    "summarise",
]
