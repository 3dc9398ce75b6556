"""Floor 4: runs generated programs apart, compares them with the ground truth, gives verdicts."""
