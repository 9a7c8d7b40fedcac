"""Decisions by the costs of false alarms and misses, from calibrated probabilities."""
