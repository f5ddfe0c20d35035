"""What the three trainings share: the loop, checkpoints, distribution, schedule, logging; and one task a model."""
