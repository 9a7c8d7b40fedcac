"""Fine-tuning as a Ray task."""
