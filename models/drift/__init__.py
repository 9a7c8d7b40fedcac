"""Drift: how far the inputs and predictions of a model have moved from those of its training."""
