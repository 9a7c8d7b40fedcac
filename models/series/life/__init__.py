"""Remaining life of machines: what it is told from, its models and its artefacts."""
