"""Shared infrastructure: settings, clock, errors, database, outbound traffic, logs and metrics."""
