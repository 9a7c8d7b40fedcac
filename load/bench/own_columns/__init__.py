"""Benchmark of models of customers' own columns: training as a job, and calls of single rows."""
