"""Benchmarks of readings of plant points: ingestion, reading, compression, filters."""
