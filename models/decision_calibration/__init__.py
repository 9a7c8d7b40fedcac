"""Typed questions to a language model: option probabilities from log-probabilities, calibrated."""
