"""Floor 1: which models there are, how they are loaded, which schedulers they run under."""

from accel_opt.pipelines.catalogue import MODELS, Model, find_model
from accel_opt.pipelines.schedulers import NICKNAMES, scheduler_class_name

__all__ = ["MODELS", "NICKNAMES", "Model", "find_model", "scheduler_class_name"]
