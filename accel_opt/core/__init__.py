"""Floor 0, the vocabulary: errors, parameter dimensions, configs, measurements, events."""
