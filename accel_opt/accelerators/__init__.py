"""Floor 1, the techniques: one file each, their contract, and how they run together."""
