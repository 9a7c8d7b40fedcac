"""Synthetic data and artefacts for tests of models and serving."""
