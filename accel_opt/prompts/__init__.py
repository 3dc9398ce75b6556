"""Floor 1: where prompts come from, and their split into a search and a held-out part."""

from accel_opt.prompts.source import PromptSet, load_prompts

__all__ = ["PromptSet", "load_prompts"]
