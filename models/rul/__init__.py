"""Remaining useful life of a machine from its sensor history, with an interval."""
