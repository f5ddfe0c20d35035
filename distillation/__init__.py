"""The teacher reads texts: readings, their limits, and the distilled dataset on disk."""
