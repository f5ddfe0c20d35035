"""Distillation: the teacher's readings of texts, their limits, and the dataset on disk."""
