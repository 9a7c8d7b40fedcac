"""Drift of fine-tuned models: count the inputs of calls, compare them with training, and alert."""
