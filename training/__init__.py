"""The training loop and one task for each model."""
