"""Remaining useful life of a machine from its sensor history, with a prediction interval."""
