"""Floor 2: one setting in, measurements out: latency, scores, memory, samples."""
